"""Formats results as tables."""
