"""The recovery times of docs/reliability.md, and the limits of tests for them.

The limits of tests are above the measured times, but below the cost of a lost wake-up: a timeout of
15 s, or a visibility timeout of minutes. Tests run in parallel on busy processors, so they measure
with tests/support/processes/stopwatch.py.
"""

from __future__ import annotations

from typing import NamedTuple

FACTOR = 2.5
#: For a busy disk.
MORE_S = 1.0


class Seen(NamedTuple):
    """A measured recovery: the row of the matrix, and its seconds."""

    row: int
    seconds: float

    @property
    def within_s(self) -> float:
        """The limit of a test."""
        return FACTOR * self.seconds + MORE_S

    def check(self, seconds: float) -> None:
        """Print a recovery time. Raises AssertionError if it exceeds the limit."""
        print(f"recovered after {seconds:.1f} s, at most {self.within_s:.1f}; seen {self.seconds}")
        assert seconds <= self.within_s, f"{seconds:.1f} s are more than {self.within_s:.1f}"


CHILD_KILLED = Seen(1, 0.5)
CHILD_KILLED_REAL = Seen(1, 1.9)
WORKER_KILLED_REAL = Seen(3, 13.3)
HINT_LOST = Seen(4, 1.8)
SERVER_RESTARTED = Seen(10, 0.4)
LAST_WRITES_LOST = Seen(12, 6.0)
SERVER_THAWED = Seen(13, 0.6)
CABLE_MENDED = Seen(16, 0.5)
LATE_RESULT = Seen(16, 2.4)
HINT_LOST_IN_CABLE = Seen(16, 5.4)
PRODUCER_BACK = Seen(18, 0.5)
CLOCK_JUMPED = Seen(28, 0.2)
CLOCK_PUT_BACK = Seen(28, 0.1)
#: In most tests a worker is dead once its heartbeat has expired, after 2 s.
WORKER_DEAD_WITHIN_S = FACTOR * 2.0 + MORE_S
EVERY = {name: value for name, value in list(globals().items()) if isinstance(value, Seen)}
