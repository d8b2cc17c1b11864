"""Proves that a table is complete and unchanged."""
