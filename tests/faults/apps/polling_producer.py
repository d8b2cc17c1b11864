"""`python -m tests.faults.apps.polling_producer ARGUMENT...`: `hangtag` that polls in each turn, as
where a poll takes longer than the time until the next one."""

from __future__ import annotations

from producer.cli import main
from producer.run import loop

if __name__ == "__main__":
    loop.POLL_EVERY_AT_FIRST_S = loop.POLL_EVERY_S = 0.0
    main.main()
