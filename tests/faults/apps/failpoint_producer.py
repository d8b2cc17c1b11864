"""`python -m tests.faults.apps.failpoint_producer ARGUMENT...`: `hangtag` with armed points."""

from __future__ import annotations

from producer.cli import main
from producer.run import loop
from tests.support.failpoints import armed

if __name__ == "__main__":
    # Every turn takes every step, also in a short job.
    loop.POLL_EVERY_AT_FIRST_S = loop.POLL_EVERY_S = 0.0
    armed.watch()
    main.main()
