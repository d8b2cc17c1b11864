"""Compares two tables over the same images."""
