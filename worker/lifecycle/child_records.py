"""What a worker's parent knows of its children: which are busy, what they have done and loaded.

Busy are also dead ones whose death Celery has not reported yet.

Celery reports a child's death half a second or more after the child has left the pool. If the child
left the heartbeat as early, another worker would take its batch before the death is counted against
the batch, and an image that kills its decoder would kill more often before it is found.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from shared.process import child_id

#: Celery reports a death within this time, or not at all.
REPORTED_WITHIN_S = 5.0
#: What a child returns for a hint: its pid, the number of images it submitted, the number of them
#: for each status other than `ok`, and its loaded versions, the most recently used at the end.
#: Plain types, since Celery passes its `repr` to the parent.
ChildReport = tuple[int, int, dict[str, int], list[str]]


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


class WorkerStats:
    """One per worker parent, which sees the return values of tasks and never the results of
    batches."""

    def __init__(self) -> None:
        self.images = 0  #: since the start
        self._failures: Counter[str] = Counter()
        self._loaded: dict[int, Sequence[str]] = {}  #: pid -> the versions of its last report

    def add(
        self, pid: int, images: int, failures: Mapping[str, int], loaded: Sequence[str]
    ) -> None:
        """Add the fields of a `ChildReport`."""
        self.images += images
        self._failures.update(failures)
        self._loaded[pid] = loaded

    @property
    def failures(self) -> dict[str, int]:
        """Images that got a row other than `ok`, by status, since the start."""
        return dict(sorted(self._failures.items()))

    def versions(self, pids: Collection[int]) -> list[str]:
        """The versions that these children have loaded; forgets all other children."""
        for pid in self._loaded.keys() - set(pids):
            del self._loaded[pid]
        return sorted({version for pid in pids for version in self._loaded.get(pid, ())})
