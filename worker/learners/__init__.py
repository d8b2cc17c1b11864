"""Learners: how each kind of recipe makes a version from data."""
