"""Versions of models, their aliases, and their mirror in Redis."""
