"""Sums over workers that come and go, and that never fall."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from shared.heartbeat import Heartbeat
from shared.status import BY_CODE, Status

#: What another version's worker calls a failure that this one has no name for.
OTHER = "other"
CODES = tuple(str(status) for status in BY_CODE if status is not Status.OK)


class Accrual:
    """What the workers that were seen here have done, each since its own start.

    A worker that has left keeps its part, also if it comes back: its id is of one process. What
    it did after its last heartbeat that was seen is not in the sum.
    """

    def __init__(self) -> None:
        self._images: dict[str, int] = {}  # worker -> the most that it has told
        self._failures: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()  # several may look at once, and not in the order of the beats

    def add(self, beats: Iterable[Heartbeat]) -> None:
        """See these workers."""
        with self._lock:
            for beat in beats:
                if beat.images >= self._images.get(beat.id, 0):
                    self._images[beat.id] = beat.images
                    self._failures[beat.id] = beat.failures

    @property
    def images(self) -> int:
        """Images that were classified, with or without a label."""
        with self._lock:
            return sum(self._images.values())

    @property
    def failures(self) -> dict[str, int]:
        """Those without a label, by status; of each that there is."""
        sums = Counter(dict.fromkeys((*CODES, OTHER), 0))
        with self._lock:
            for failures in self._failures.values():
                for code, count in failures.items():
                    sums[code if code in CODES else OTHER] += max(0, count)
        return dict(sums)
