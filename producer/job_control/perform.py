"""Does what is asked of a job: classifies, brings its table up to date, or watches its files."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import msgspec

from producer.job.job_options import JobOptions
from producer.job.snapshot import not_started, with_known_files
from producer.present.events import Events, Watching
from producer.run.classify import classify
from producer.run.folder_watch import Wait, watched
from producer.run.follow import followed, is_followed
from producer.run.run import Summary
from producer.sources.job_sources import JobSources
from shared.errors import COMPLETE, HangtagError, StillOpen, Stopped, UsageError
from shared.settings import Settings
from shared.stop import Stop, Waits

#: The table is written at most this often. It takes at most half of the time, however large it is.
PAUSE_S = 3.0
#: After an error that may end by itself, for example of a disk that is missing.
AGAIN_AFTER_S = 10.0
#: The least time that a round gets: none at all means no limit.
_LEAST_S = 0.001


def watch(
    options: JobOptions,
    bring_up_to_date: Callable[[float | None], Summary],
    events: Events,
    stop: Stop,
) -> Summary:
    """Call `bring_up_to_date` again and again, first at once, each time with what is left of
    --timeout; returns the last summary once it was stopped, after this time, or when a job has
    ended otherwise than complete.

    Raises:
        UsageError, SetupError: of the first call, or there is no package that watches folders.
        StillOpen: Redis was not ready within this time.
        Stopped: it was stopped before the first call has ended.
    """
    deadline = time.monotonic() + (options.timeout_s or float("inf"))
    if options.is_piped:
        raise UsageError(
            "the list of images is no file and cannot be watched; save it as one, or name a folder"
        )
    with (
        closing(Waits(stop)) as waits,
        closing(JobSources(with_known_files(options), waits)) as sources,
    ):
        sources.check()
        with watched(sources, stop, events.notice) as (wait, rarely_s):
            rounds = _Rounds(bring_up_to_date, events, deadline)
            summary = rounds.first()
            events.notice("watching for changes; end with Ctrl-C")
            try:
                while summary.exit_code in COMPLETE and not stop.requested:
                    events.report(Watching())
                    if not rounds.wait(wait, rarely_s):
                        break
                    summary = rounds.next() or summary
            except Stopped:
                pass
            return summary


class _Rounds:
    """The updates of one watch."""

    def __init__(
        self, bring_up_to_date: Callable[[float | None], Summary], events: Events, deadline: float
    ) -> None:
        self._run, self._events, self._deadline = bring_up_to_date, events, deadline
        self._pause_s = PAUSE_S
        self._is_due = False  #: whether a file waits, or the last round has failed

    def first(self) -> Summary:
        begun = time.monotonic()
        left_s = self._deadline - begun
        summary = self._run(None if left_s == float("inf") else max(left_s, _LEAST_S))
        self._ended(time.monotonic() - begun, summary.young > 0)
        return summary

    def next(self) -> Summary | None:
        """The summary of a round; None if it failed, which a notice says. Raises Stopped,
        StillOpen."""
        try:
            return self.first()
        except (Stopped, StillOpen):
            raise
        except HangtagError as error:
            self._events.notice(f"{error}; watching goes on")
            self._ended(AGAIN_AFTER_S, True)
            return None

    def wait(self, wait: Wait, rarely_s: float) -> bool:
        """Wait until a round is due; false if the deadline comes first. Raises Stopped."""
        begun = time.monotonic()
        until = min(begun + self._pause_s, self._deadline)
        if not self._is_due and begun < self._deadline:
            wait(min(max(rarely_s, self._pause_s), self._deadline - begun))
        while (left_s := until - time.monotonic()) > 0:
            wait(left_s)
        return time.monotonic() < self._deadline

    def _ended(self, took_s: float, is_due: bool) -> None:
        self._pause_s, self._is_due = max(PAUSE_S, took_s), is_due


def perform(
    options: JobOptions,
    settings: Settings,
    *,
    stdin: BinaryIO | None = None,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Summary:
    """Finish a job, or leave it resumable; follow one that another process runs. Arguments and what
    is raised are those of `classify`."""
    events, stop = events or Events(), stop or Stop()

    def once(timeout_s: float | None) -> Summary:
        asked = msgspec.structs.replace(options, timeout_s=timeout_s)
        return classify(asked, settings, stdin=stdin, events=events, stop=stop)

    if options.watch:
        return watch(options, once, events, stop)
    if stdin is None and is_followed(options) and (summary := followed(options, events, stop)):
        return summary
    if not (options.roots or options.list_file):  # its table was named
        raise not_started(Path(options.output))
    return once(options.timeout_s)
