"""A request on the trainer: claim, lease, workspace, outcome."""
