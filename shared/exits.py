"""Exit codes of the `hangtag` command, with names."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """What the shell is told. A finished job run again repeats its first code."""

    OK = 0  #: every picture was classified
    SETUP = 1  #: the set-up is at fault; a job that was begun is intact
    USAGE = 2  #: the command line is at fault, or names no picture
    SOME_FAILED = 3  #: finished, with rows that have no label, or folders without rows
    BUDGET = 4  #: more failures than --max-failures allows
    CANCELLED = 5  #: the job was cancelled
    NOT_PROVEN = 6  #: verify: the table is not proven to be complete and as it was written
    INTERRUPTED = 130  #: stopped by Ctrl-C, a signal or --timeout; the same command resumes
