"""What the children of a worker have done, and which versions they hold, as they tell the parent.

A parent never sees a result: what it knows is in the answer of a task.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

#: What a child answers for a hint: its pid, how many images it has handed in, how many of them
#: have a status other than `ok`, and the versions it has loaded, the one used last at the end.
#: Plain, since Celery gives the parent its `repr`.
Told = tuple[int, int, dict[str, int], list[str]]


class WorkerStats:
    """One per worker parent. A child lets go what it has not used for `unused_s`, but the last."""

    def __init__(self, unused_s: float) -> None:
        self.images = 0  #: since the start
        self._unused_s = unused_s
        self._failures: Counter[str] = Counter()
        self._loaded: dict[int, tuple[float, Sequence[str]]] = {}  # pid -> when it said so, what

    def add(
        self, pid: int, images: int, failures: Mapping[str, int], loaded: Sequence[str]
    ) -> None:
        """A child has answered: what is in a `Told`."""
        self.images += images
        self._failures.update(failures)
        self._loaded[pid] = (time.monotonic(), loaded)

    @property
    def failures(self) -> dict[str, int]:
        """Images that got a row other than `ok`, by status, since the start."""
        return dict(sorted(self._failures.items()))

    def versions(self, pids: Collection[int]) -> list[str]:
        """What these children have in memory; the others are gone, and are forgotten."""
        for pid in self._loaded.keys() - set(pids):
            del self._loaded[pid]
        return sorted({version for pid in pids for version in self._kept(pid)})

    def _kept(self, pid: int) -> Sequence[str]:
        at, loaded = self._loaded.get(pid, (0.0, ()))
        return loaded if time.monotonic() - at < self._unused_s else loaded[-1:]
