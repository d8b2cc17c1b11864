"""The display of a running job: a bar on a terminal, the same figures as plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Protocol

from producer.journal.totals import JobCounts
from producer.output.formatting import duration, one_line
from producer.output.notices import LiveNotices, Notices, print_line
from producer.terminal.bars import progress_bar
from producer.terminal.style import can_redraw, columns_of, failed, has_blocks, width
from shared.throughput import Rate

PLAIN_EVERY_S = 5.0
#: An estimate of the time left from less than this is mostly chance.
ESTIMATE_AFTER_S = 3.0
#: Widths of the bar: a share of the line, so that it stays while its figures grow. Where they need
#: more than the rest, it is shorter, down to the least width.
BAR_CELLS, BAR_CELLS_MIN, BAR_SHARE = 30, 8, 5
#: Where the width is not known.
NARROW = 80
_GAP = "  "


class JobProgress(Protocol):
    """Displays progress and notices."""

    has_figures: bool  #: whether figures are displayed at all

    def progress(self, totals: JobCounts, total: int | None) -> None:
        """Display the current figures; called often. `total` is None while it is unknown."""

    def stage(self, text: str) -> None:
        """Display what is awaited, until there are results; an empty text removes it."""

    def notice(self, text: str) -> None:
        """Display one line; the same text twice in a row is displayed once."""

    def close(self) -> None:
        """End the display; notices stay visible."""


class JobNotices(Notices):
    """Displays notices only."""

    has_figures = False

    def progress(self, totals: JobCounts, total: int | None) -> None:
        """Do nothing."""

    def stage(self, text: str) -> None:
        """Do nothing."""

    def _print(self, text: str) -> None:
        print_line(one_line(text))


class Figures:
    """The figures of a job as both displays show them. The rate counts from the first results of
    this run: before, workers were starting."""

    def __init__(self) -> None:
        self._rate, self._done, self._images_s = Rate(), -1, 0.0
        self._first_s = self._last_s = self._stage_s = time.monotonic()
        self._stage = ""
        self.started = False  #: whether results have arrived

    def stage(self, text: str) -> None:
        """What is awaited."""
        if text != self._stage:
            self._stage, self._stage_s = text, time.monotonic()

    def note(self, done: int) -> None:
        """Note the number of rows; called often."""
        if done == self._done:
            return
        if self._done >= 0:
            self._last_s = time.monotonic()
            if not self.started:
                self.started, self._first_s = True, self._last_s
            self._images_s = self._rate.mark(self._last_s, done)
        self._done = done

    def texts(self, totals: JobCounts, total: int | None) -> list[str]:
        """The figures: what is done or awaited, failures if there are any, rate, time left."""
        if self._stage and not self.started:
            waited = duration(time.monotonic() - self._stage_s)
            found = (
                f"{totals.found:,} images found so far" if total is None else f"{total:,} images"
            )
            return [f"{self._stage}, {waited}", found]
        of_total = f"{totals.found:,}+" if total is None else f"{total:,}"
        failures = [f"{totals.failed:,} failed"] if totals.failed else []
        return [f"{totals.done:,} of {of_total} done", *failures, *self._pace(totals.done, total)]

    def _pace(self, done: int, total: int | None) -> list[str]:
        if not self._images_s:
            return []
        pace, now_s = [f"{self._images_s:,.0f} images/s"], time.monotonic()
        if total is not None and now_s - self._first_s >= ESTIMATE_AFTER_S:
            left_s = (total - done) / self._images_s - (now_s - self._last_s)
            pace.append(f"{duration(max(0, left_s))} left")
        return pace


class JobLines(JobNotices):
    """A line every few seconds, for logs."""

    has_figures = True

    def __init__(self) -> None:
        self._figures, self._printed = Figures(), time.monotonic()

    def progress(self, totals: JobCounts, total: int | None) -> None:
        self._figures.note(totals.done)
        now = time.monotonic()
        if now - self._printed >= PLAIN_EVERY_S:
            self._printed = now
            print_line(", ".join(self._figures.texts(totals, total)))

    def stage(self, text: str) -> None:
        self._figures.stage(text)


class ProgressBar(LiveNotices):
    """A live line on a terminal."""

    has_figures = True

    def __init__(self) -> None:
        super().__init__()
        self._figures = Figures()

    def progress(self, totals: JobCounts, total: int | None) -> None:
        self._figures.note(totals.done)
        if self._live.due:
            texts = self._figures.texts(totals, total)
            share = totals.done / total if total and self._figures.started else None
            self._live.draw([fitted_bar_line(share, texts)])

    def stage(self, text: str) -> None:
        self._figures.stage(text)

    def _print(self, text: str) -> None:
        super()._print(one_line(text))


def fitted_bar_line(share: float | None, texts: Sequence[str]) -> str:
    """`bar_line` for standard error."""
    return bar_line(share, texts, columns_of(sys.stderr) or NARROW, has_blocks(sys.stderr.encoding))


def bar_line(share: float | None, texts: Sequence[str], room: int, blocks: bool) -> str:
    """A bar and the figures in less than `room` columns; figures that do not fit are left out, and
    without a share there is no bar.

    A terminal moves the cursor to the next line when its last column is filled.
    """
    shown, least = list(texts), 0 if share is None else BAR_CELLS_MIN
    while len(shown) > 1 and _length(shown) + least >= room:
        shown.pop()
    cells = max(0, min(BAR_CELLS, max(least, room // BAR_SHARE), room - 1 - _length(shown)))
    coloured = [failed(text) if text.endswith(" failed") else text for text in shown]
    bar = [] if share is None else [progress_bar(share, cells, blocks)]
    return _GAP.join([*bar, *coloured])


def _length(texts: Sequence[str]) -> int:
    return sum(len(_GAP) + width(text) for text in texts)


def make_progress(quiet: bool) -> JobProgress:
    """The display for standard error: a terminal, a log, or notices only."""
    if quiet:
        return JobNotices()
    return ProgressBar() if can_redraw() else JobLines()
