"""Requests on the trainer: lock, attempt, workspace, outcome."""
