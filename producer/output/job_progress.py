"""The display of a running job: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Protocol

from producer.journal.totals import JobCounts
from producer.output.formatting import one_line
from producer.output.notices import LiveNotices, Notices, print_line

PLAIN_EVERY_S = 5.0


class JobProgress(Protocol):
    """Displays progress and notices."""

    def progress(self, totals: JobCounts, walking: bool) -> None:
        """Display the current figures; called often."""

    def notice(self, text: str) -> None:
        """Display one line; the same text twice in a row is displayed once."""

    def close(self) -> None:
        """End the display; the last figures stay visible."""


class JobNotices(Notices):
    """Displays notices only."""

    def progress(self, totals: JobCounts, walking: bool) -> None:
        """Do nothing."""

    def _print(self, text: str) -> None:
        print_line(one_line(text))


class JobLines(JobNotices):
    """A line every few seconds, for logs."""

    def __init__(self) -> None:
        self._started = self._printed = time.monotonic()
        self._first: int | None = None

    def progress(self, totals: JobCounts, walking: bool) -> None:
        if self._first is None:
            self._first = totals.done
        now = time.monotonic()
        if now - self._printed < PLAIN_EVERY_S:
            return
        self._printed = now
        rate = (totals.done - self._first) / (now - self._started)
        left = "" if walking or not rate else f", {(totals.found - totals.done) / rate:.0f} s left"
        found = f"{totals.found}+" if walking else f"{totals.found}"
        print_line(
            f"{totals.done} of {found} done, {totals.failed} failed, {rate:.0f} images/s{left}"
        )


class ProgressBar(LiveNotices):
    """A live bar on a terminal."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

        super().__init__(
            BarColumn(),
            TextColumn("{task.completed:,} of {task.fields[found]} done"),
            TextColumn("{task.fields[failed]:,} failed"),
            TextColumn("{task.fields[rate]:,.0f} images/s"),
            TimeRemainingColumn(),
            transient=False,
        )
        self._started, self._first = time.monotonic(), 0

    def progress(self, totals: JobCounts, walking: bool) -> None:
        if self._task is None:
            self._started, self._first = time.monotonic(), totals.done
            self._task = self._bar.add_task("", total=None, found="", failed=0, rate=0.0)
            self._bar.start()
        elapsed = max(time.monotonic() - self._started, 1e-3)
        self._bar.update(
            self._task,
            completed=totals.done,
            total=None if walking else totals.found,
            found=f"{totals.found:,}" + ("+" if walking else ""),
            failed=totals.failed,
            rate=(totals.done - self._first) / elapsed,
        )

    def _print(self, text: str) -> None:
        self._console.print(one_line(text), highlight=False, markup=False)


def make_progress(quiet: bool) -> JobProgress:
    """The display for standard error: a terminal, a log, or notices only."""
    if quiet:
        return JobNotices()
    if not sys.stderr.isatty():
        return JobLines()
    return ProgressBar()  # imports rich, which takes longer than a small job
