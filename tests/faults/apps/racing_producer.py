"""`python -m tests.faults.apps.racing_producer ARGUMENT...`: `hangtag` with a short START_S.

It waits only START_S for the start of this machine's stack.
"""

from __future__ import annotations

from producer.cli import main
from producer.machine import launch

START_S = 0.3

if __name__ == "__main__":
    launch.START_S = START_S
    main.main()
