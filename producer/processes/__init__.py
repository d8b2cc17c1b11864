"""Processes of this machine: identity, exclusive locks, a bounded log, helpers."""
