"""Sums over workers that come and go, and that never fall."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from shared.image_status import BY_CODE, Status
from shared.ledger.heartbeats import Heartbeat

#: What another version's worker calls a failure that this one has no name for.
OTHER = "other"
CODES = tuple(str(status) for status in BY_CODE if status is not Status.OK)
_Life = tuple[str, int]  #: a worker, and since when it counts


class WorkerCounters:
    """What the workers that were seen here have done, each since its own start.

    A worker that has left keeps its part, also if it comes back: its id is of one process, which
    counts anew where it has replaced itself (worker/lifecycle/watchdog.py). What it did after its
    last
    heartbeat that was seen is not in the sum.
    """

    def __init__(self) -> None:
        self._images: dict[_Life, int] = {}  # the most that was told of each
        self._failures: dict[_Life, dict[str, int]] = {}
        self._lock = threading.Lock()  # several may look at once, and not in the order of the beats

    def add(self, beats: Iterable[Heartbeat]) -> None:
        """See these workers."""
        with self._lock:
            for beat in beats:
                life = beat.id, beat.since_ms
                if beat.images >= self._images.get(life, 0):
                    self._images[life] = beat.images
                    self._failures[life] = beat.failures

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
