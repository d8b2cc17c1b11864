"""Requests on the trainer: claim, lease, workspace, outcome."""
