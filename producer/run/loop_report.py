"""What a job reports while its loop runs: its progress, and what it waits for."""

from __future__ import annotations

import time
from functools import partial
from itertools import islice

from producer.job.job_properties import FILE_COUNT
from producer.job.totals import JobCounts
from producer.machine.workers import how_to_start, lacks_runtime, older_workers
from producer.present.events import Found, Stored, Waiting
from producer.run.connect import Attempt
from producer.run.window import Window
from producer.sources.job_sources import JobSources, Walk
from shared.errors import SetupError
from shared.runtimes import RuntimeKind

#: A job that is finished before needs no estimate.
START_AFTER_S = 2.0
#: The time in each turn.
SLICE_S = 0.005
#: Files between two readings of the clock.
_STEP_FILES = 256


class FileCount:
    """The number of files in the folders of a job; None until all are counted.

    The walk itself is only as far as the window allows. Counting costs 1.5 microseconds a file, a
    hundredth of classifying it; it starts after a moment and works in short slices, so that a fast
    or small job does not pay for it.
    """

    def __init__(
        self,
        sources: JobSources,
        known: int | None,
    ) -> None:
        self.total = self._stored = known
        self._paths = Walk(sources).paths()
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


class LoopReport:
    """The events of one attempt at a job."""

    def __init__(self, attempt: Attempt, runtime: RuntimeKind) -> None:
        settings, self._events = attempt.settings, attempt.events
        self._own_stack = not settings.redis_url
        self._how_to_start = how_to_start(settings)
        self._lacks = lacks_runtime(settings, runtime)
        self._about_older_workers = partial(older_workers, settings)

    def progress(self, counts: JobCounts, total: int | None) -> None:
        """Report the rows so far; `total` is the number of files, None until they are counted."""
        self._events.report(Found(counts.images, total))
        self._events.report(Stored(counts.done, counts.failed))

    def state(self, window: Window, trouble: str, early: bool) -> None:
        """Report what the job waits for. `trouble` is why a worker returned a batch; `early`: its
        workers may be starting."""
        self._events.report(Waiting(self._awaited(window)))
        if window.full:
            tenths = int(10 * window.memory_share)  # a line for each percent is too many
            full = f"Redis' memory is over {tenths}0 % full"
            self._events.notice(f"{full}; waiting for workers to make room")
        elif window.others and not window.workers and not (early and self._own_stack):
            self._events.notice(self._lacks)
        elif not window.workers and not early:
            self._events.notice(self._about_older_workers(window.older) or self._how_to_start)
        else:
            self._events.notice(trouble)

    def _awaited(self, window: Window) -> str:
        """What the first results wait for."""
        if window.workers:
            return "waiting for the first results"
        return "starting this machine's workers" if self._own_stack else "waiting for a worker"
