"""Counters summed over workers that start and end; they start at 0 and never decrease."""

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
    """The totals of all workers that were seen here, since the first heartbeats.

    Prometheus takes a counter that falls for one that has restarted at 0. So work done before is
    left out: after a restart of this process it would count as new. A worker that has ended stays
    in the sum. Its id names one process, which counts from 0 again after it has restarted itself
    (worker/lifecycle/watchdog.py). Work after the last heartbeat that was seen is not included.
    """

    def __init__(self) -> None:
        self._start_ms: int | None = None
        self._before: dict[_Life, Heartbeat] = {}  # the first seen one of workers that ran before
        self._images: dict[_Life, int] = {}  # the highest reported count of each
        self._failures: dict[_Life, dict[str, int]] = {}
        self._lock = threading.Lock()  # scrapes may be concurrent and out of order

    def add(self, beats: Iterable[Heartbeat], now_ms: int) -> None:
        """Update the counts from the heartbeats of this time, by the server's clock."""
        with self._lock:
            if self._start_ms is None:
                self._start_ms = now_ms
            for beat in beats:
                life = beat.id, beat.since_ms
                if beat.since_ms < self._start_ms:
                    self._before.setdefault(life, beat)
                if beat.images >= self._images.get(life, 0):
                    self._images[life] = beat.images
                    self._failures[life] = beat.failures

    @property
    def images(self) -> int:
        """Number of images that were classified, with or without a label."""
        with self._lock:
            before = sum(beat.images for beat in self._before.values())
            return sum(self._images.values()) - before

    @property
    def failures(self) -> dict[str, int]:
        """Number of images without a label, by status; every status is present."""
        sums = Counter(dict.fromkeys((*CODES, OTHER), 0))
        with self._lock:
            for life, failures in self._failures.items():
                before = self._before[life].failures if life in self._before else {}
                for code, count in failures.items():
                    new = count - max(0, before.get(code, 0))
                    sums[code if code in CODES else OTHER] += max(0, new)
        return dict(sums)
