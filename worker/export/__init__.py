"""Exports trained or imported networks to files that runtimes load."""
