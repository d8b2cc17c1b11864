"""Runs and samples commands and stacks."""
