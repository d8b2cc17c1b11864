"""Trained or imported networks to files that runtimes load."""
