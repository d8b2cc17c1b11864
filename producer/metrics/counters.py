"""Counters summed over workers that start and end; they never decrease."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from shared.image_status import BY_CODE, Status
from shared.ledger.heartbeats import Heartbeat

#: Label for failure codes of another version that this one does not know.
OTHER = "other"
CODES = tuple(str(status) for status in BY_CODE if status is not Status.OK)
_Life = tuple[str, int]  #: a worker's id and the start of its counters


class WorkerCounters:
    """The totals of all workers that were seen here, each since its own start.

    A worker that has ended stays in the sum. Its id names one process, which counts from 0 again
    after it has restarted itself (worker/lifecycle/watchdog.py). Work after the last heartbeat that
    was seen is not included.
    """

    def __init__(self) -> None:
        self._images: dict[_Life, int] = {}  # the highest reported count of each
        self._failures: dict[_Life, dict[str, int]] = {}
        self._lock = threading.Lock()  # scrapes may be concurrent and out of order

    def add(self, beats: Iterable[Heartbeat]) -> None:
        """Update the counts from these heartbeats."""
        with self._lock:
            for beat in beats:
                life = beat.id, beat.since_ms
                if beat.images >= self._images.get(life, 0):
                    self._images[life] = beat.images
                    self._failures[life] = beat.failures

    @property
    def images(self) -> int:
        """Number of images that were classified, with or without a label."""
        with self._lock:
            return sum(self._images.values())

    @property
    def failures(self) -> dict[str, int]:
        """Number of images without a label, by status; every status is present."""
        sums = Counter(dict.fromkeys((*CODES, OTHER), 0))
        with self._lock:
            for failures in self._failures.values():
                for code, count in failures.items():
                    sums[code if code in CODES else OTHER] += max(0, count)
        return dict(sums)
