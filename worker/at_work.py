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


class AtWork:
    """Told by the main thread, asked by the pulse."""

    def __init__(self) -> None:
        self._ids: dict[int, str] = {}
        self._gone_s: dict[int, float] = {}  #: since when they are missed in the pool

    def took(self, pid: int) -> None:
        """It has a hint in hand. Who it is cannot be asked any more once it is dead."""
        self._ids[pid] = child_id(pid)

    def rests(self, pid: int) -> None:
        """It has nothing in hand any more, or its death is counted."""
        self._ids.pop(pid, None)
        self._gone_s.pop(pid, None)

    def lost(self, living: Collection[int]) -> list[str]:
        """The ids of those that are no longer among the living, and whose death may yet be told."""
        now = time.monotonic()
        gone = {pid: id_ for pid, id_ in tuple(self._ids.items()) if pid not in living}
        since = {pid: self._gone_s.setdefault(pid, now) for pid in gone}
        return [id_ for pid, id_ in gone.items() if now - since[pid] < TOLD_WITHIN_S]
