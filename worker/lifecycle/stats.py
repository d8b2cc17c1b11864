"""Counts what the children of a worker have done, and tracks which versions they have loaded.

A parent never sees the results of batches, only the return values of tasks.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

#: What a child returns for a hint: its pid, the number of images it submitted, the number of them
#: for each status other than `ok`, and its loaded versions, the most recently used at the end.
#: Plain types, since Celery passes its `repr` to the parent.
ChildReport = tuple[int, int, dict[str, int], list[str]]


class WorkerStats:
    """One per worker parent. A child evicts versions unused for `unused_s`, except the last."""

    def __init__(self, unused_s: float) -> None:
        self.images = 0  #: since the start
        self._unused_s = unused_s
        self._failures: Counter[str] = Counter()
        #: pid -> time of its last report (monotonic, s), its versions
        self._loaded: dict[int, tuple[float, Sequence[str]]] = {}

    def add(
        self, pid: int, images: int, failures: Mapping[str, int], loaded: Sequence[str]
    ) -> None:
        """Add the fields of a `ChildReport`."""
        self.images += images
        self._failures.update(failures)
        self._loaded[pid] = (time.monotonic(), loaded)

    @property
    def failures(self) -> dict[str, int]:
        """Images that got a row other than `ok`, by status, since the start."""
        return dict(sorted(self._failures.items()))

    def versions(self, pids: Collection[int]) -> list[str]:
        """The versions that these children have loaded; forgets all other children."""
        for pid in self._loaded.keys() - set(pids):
            del self._loaded[pid]
        return sorted({version for pid in pids for version in self._in_memory(pid)})

    def _in_memory(self, pid: int) -> Sequence[str]:
        at, loaded = self._loaded.get(pid, (0.0, ()))
        return loaded if time.monotonic() - at < self._unused_s else loaded[-1:]
