"""Processes of this machine: the stack and its supervisor, workers, helpers, locks.

Enter at `stack.py`; `helper.py` starts a process of the worker package.
"""
