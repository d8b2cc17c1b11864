"""Counts all files of a job ahead of its walk, so that progress has a total and a time left.

The walk itself is only as far as the window allows. Counting costs 1.5 microseconds a file, a
hundredth of classifying it; it starts after a moment and works in short slices, so that a fast or
a small job does not pay for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice

from producer.journal.job_properties import FILE_COUNT
from producer.sources.job_sources import JobSources
from producer.sources.walk import Walk
from shared.errors import SetupError

#: A job that is finished before needs no estimate.
START_AFTER_S = 2.0
#: The time in each turn.
SLICE_S = 0.005
#: Files between two readings of the clock.
_STEP_FILES = 256


class FileCount:
    """The number of files in the folders of a job; None until all are counted."""

    def __init__(
        self,
        sources: JobSources,
        known: int | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`check` may end the count."""
        self.total = self._stored = known
        self._paths = Walk(sources, check=check).paths()
        self._start_s, self._count = time.monotonic() + START_AFTER_S, 0
        if sources.one_pass:  # counting would take another pass over all bytes
            self._start_s = float("inf")

    def unstored(self) -> dict[str, bytes]:
        """The total as a property of the job, once when it becomes known."""
        if self.total is None or self.total == self._stored:
            return {}
        self._stored = self.total
        return {FILE_COUNT: b"%d" % self.total}

    def advance(self) -> None:
        """Count for a slice of time. What cannot be read ends the count."""
        now_s = time.monotonic()
        if self.total is not None or now_s < self._start_s:
            return
        try:
            while time.monotonic() < now_s + SLICE_S:
                step = sum(1 for _ in islice(self._paths, _STEP_FILES))
                self._count += step
                if step < _STEP_FILES:
                    self.total = self._count
                    return
        except (SetupError, OSError):  # the walk of the job reports it
            self._start_s = float("inf")
