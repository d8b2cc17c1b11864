"""A request on the trainer: its lock, its attempt, its handler, its outcome.

Enter at `runner.py`, which has a handler for each kind of request.
"""
