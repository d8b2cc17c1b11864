"""`python -m tests.faults.armed_producer ARGUMENT...`: `hangtag`, with its points watched."""

from __future__ import annotations

from producer import cli, run
from tests import armed

if __name__ == "__main__":
    run.LOOK_EVERY_AT_FIRST_S = 0.0  # every turn takes every step, however quick the job is
    armed.watch()
    cli.main()
