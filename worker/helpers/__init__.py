"""Processes that the producer starts and that may die: each is `python -m` of its module."""
