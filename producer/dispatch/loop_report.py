"""What a job reports while its loop runs: its progress, and what it waits for."""

from __future__ import annotations

from functools import partial

from producer.dispatch.attempt import Attempt
from producer.dispatch.window import Window
from producer.fleet.workers import how_to_start, lacks_runtime, older_workers
from producer.journal.totals import JobCounts
from producer.present.events import Found, Stored, Waiting
from shared.runtimes import RuntimeKind


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
