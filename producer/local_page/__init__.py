"""Serves a page to the person at this machine, and to nobody else."""
