"""`python -m tests.faults.apps.failpoint_producer ARGUMENT...`: `hangtag` with armed points."""

from __future__ import annotations

from producer.cli import main
from producer.dispatch import loop
from tests.support.failpoints import armed

if __name__ == "__main__":
    loop.POLL_EVERY_AT_FIRST_S = 0.0  # every turn takes every step, also in a short job
    armed.watch()
    main.main()
