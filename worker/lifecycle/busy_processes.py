"""Tracks busy pool processes, including dead ones whose death Celery has not reported yet.

Celery reports a child's death half a second or more after the child has left the pool. If the child
left the heartbeat as early, another worker would take its batch before the death is counted against
the batch, and an image that kills its decoder would kill more often before it is found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from shared.process import child_id

#: Celery reports a death within this time, or not at all.
REPORTED_WITHIN_S = 5.0


class BusyProcesses:
    """Updated by the main thread, read by the heartbeat thread."""

    def __init__(self) -> None:
        self._ids: dict[int, str] = {}
        self._busy: set[int] = set()
        #: Returns processes that may have accepted a hint before the parent has read that.
        self.assigned: Callable[[], set[int]] = set
        #: pid of a busy process -> when it was first missing from the pool (monotonic, s)
        self._missing_since_s: dict[int, float] = {}

    def started(self, pid: int) -> None:
        """Record the id of a new process: it cannot be read after the process has died."""
        self._ids[pid] = child_id(pid)

    def busy(self, pid: int) -> None:
        """Record that it accepted a hint. It may be dead already: messages arrive late."""
        if pid not in self._ids:
            self.started(pid)
        self._busy.add(pid)

    def idle(self, pid: int) -> None:
        """Record that it finished its hint."""
        self._busy.discard(pid)
        self._missing_since_s.pop(pid, None)

    def reported(self, pid: int) -> None:
        """Forget a dead process whose death is counted."""
        self._busy.discard(pid)
        self._missing_since_s.pop(pid, None)
        self._ids.pop(pid, None)

    def listed(self, living: Collection[int]) -> list[str]:
        """The ids of the living, and of busy ones that died and may still be reported as dead."""
        now = time.monotonic()
        dead = [pid for pid in tuple(self._busy) if pid not in living]
        since_s = self._missing_since_s
        unreported = [p for p in dead if now - since_s.setdefault(p, now) < REPORTED_WITHIN_S]
        return [self._id(pid) for pid in (*living, *unreported)]

    def idle_of(self, living: Collection[int]) -> list[str]:
        """The ids of the living that have no hint."""
        busy = {*self._busy, *self.assigned()}
        return [self._id(pid) for pid in living if pid not in busy]

    def _id(self, pid: int) -> str:
        return self._ids.get(pid) or child_id(pid)
