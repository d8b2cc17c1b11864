"""Which processes of a pool have a hint in hand, also those that died with it a moment ago.

Celery tells a child's death half a second or more after the child has left the pool. If it left the
heartbeat as soon, its batch would be in other hands by then, and the death would not be counted
against the batch: a picture that kills would kill more often before it is found out.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from shared.process import child_id

#: After so long a death is not told any more.
TOLD_WITHIN_S = 5.0


class BusyProcesses:
    """Told by the main thread, asked by the pulse."""

    def __init__(self) -> None:
        self._ids: dict[int, str] = {}
        self._busy: set[int] = set()
        self._gone_s: dict[int, float] = {}  #: since when the busy ones are missed in the pool

    def started(self, pid: int) -> None:
        """It has begun. Who it is cannot be asked any more once it is dead."""
        self._ids[pid] = child_id(pid)

    def busy(self, pid: int) -> None:
        """It has a hint in hand. It may be dead already: what it said before is heard later."""
        if pid not in self._ids:
            self.started(pid)
        self._busy.add(pid)

    def idle(self, pid: int) -> None:
        """It has nothing in hand any more."""
        self._busy.discard(pid)

    def reported(self, pid: int) -> None:
        """It is dead, and its death is counted."""
        self._busy.discard(pid)
        self._gone_s.pop(pid, None)
        self._ids.pop(pid, None)

    def listed(self, living: Collection[int]) -> list[str]:
        """The ids of the living, and of those that died at work and whose death may yet be told."""
        now = time.monotonic()
        lost = [pid for pid in tuple(self._busy) if pid not in living]
        told = [p for p in lost if now - self._gone_s.setdefault(p, now) < TOLD_WITHIN_S]
        return [self._ids.get(pid) or child_id(pid) for pid in (*living, *told)]
