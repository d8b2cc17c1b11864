"""The display of work in progress: drawn on a terminal, lines in a log, or notices only.

Figures are asked for when they are due: so work may report as often as it likes. Work of less than
a moment displays none.

A terminal is drawn on without a thread. The cursor stays visible, so that a process that is killed
leaves an ordinary terminal.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TextIO

import click

from producer.present.events import (
    Event,
    Found,
    Notice,
    Stage,
    Started,
    Stored,
    Waiting,
    Watching,
)
from producer.present.formatting import counted, duration, one_line
from producer.present.style import (
    can_redraw,
    colour_wanted,
    columns_of,
    dim,
    failed,
    good,
    name,
    width,
    wrapped,
)
from shared.throughput import Rate, left_s

#: Widths of the bar: a share of the line, so that it stays while its figures grow. Where they need
#: more than the rest, it is shorter, down to the least width.
BAR_CELLS, BAR_CELLS_MIN, BAR_SHARE = 30, 8, 5
_GAP = "  "
#: An estimate of the time left from less than this is mostly chance.
ESTIMATE_AFTER_S = 2.0
#: A rate needs no more samples than this.
SAMPLE_EVERY_S = 0.1
#: Where the width is not known.
NARROW = 80
#: Shorter work displays no figures.
DISPLAY_AFTER_S = 1.0
#: The shortest time between two drawings: a person sees no more, and each costs 50 microseconds.
DRAW_EVERY_S = 0.1
#: Between two lines of a log in the first OFTEN_S; later it grows with the time, up to LONGER_MAX
#: times.
PLAIN_EVERY_S, OFTEN_S, LONGER_MAX = 5.0, 50.0, 12.0
_UP, _TO_START, _CLEAR_BELOW = "\x1b[A", "\r", "\x1b[J"


class Figures(NamedTuple):
    """The figures of a moment, the most important ones first."""

    texts: Sequence[str]
    share: float | None = None  #: what is done, as a bar
    title: str = ""  #: in front of the bar
    below: Sequence[str] = ()  #: in a line of their own

    def plain(self) -> str:
        """One line for a log."""
        return ", ".join([*([self.title] if self.title else []), *self.texts, *self.below])

    def live(self, room: int) -> list[str]:
        """Lines for a terminal of `room` columns."""
        if self.share is None and len(self.texts) == 1:
            lines = wrapped("", self.texts[0], room - 1).split("\n")
        else:
            lines = [bar_line(self.share, self.texts, room, self.title)]
        return [*lines, dim(_GAP + ", ".join(self.below))] if self.below else lines


def bar_line(share: float | None, texts: Sequence[str], room: int, title: str = "") -> str:
    """A title, a bar and the figures in less than `room` columns; figures that do not fit are left
    out, and without a share there is no bar.

    A terminal moves the cursor to the next line when its last column is filled.
    """
    head = [title] if title else []
    shown, least = list(texts), 0 if share is None else BAR_CELLS_MIN
    while len(shown) > 1 and _length([*head, *shown]) + least >= room:
        shown.pop()
    free = room - 1 - _length([*head, *shown])
    cells = max(0, min(BAR_CELLS, max(least, room // BAR_SHARE), free))
    bar = [] if share is None else [_bar(share, cells)]
    coloured = [failed(text) if text.endswith(" failed") else text for text in shown]
    return _GAP.join([*map(name, head), *bar, *coloured])


def _bar(share: float, cells: int) -> str:
    """Always `cells` characters, filled from 0 to 1; the rest is dim."""
    filled = min(cells, int(share * cells))
    return good("━" * filled) + dim("─" * (cells - filled))


def _length(texts: Sequence[str]) -> int:
    return sum(len(_GAP) + width(text) for text in texts)


class Meter:
    """Counts items. The rate counts from the first ones of this run: before, workers were
    starting."""

    def __init__(self, stage: str = "") -> None:
        self._stage = stage
        self._awaited, self._awaited_since_s = "", time.monotonic()
        self._rate, self._per_s, self._sampled_s = Rate(), 0.0, float("-inf")
        self._first_s = self._last_s = time.monotonic()
        self._done, self._total, self._found, self._failed = -1, 0, 0, 0
        self._counted = False  #: whether all items are counted
        self._started = False  #: whether any were done in this run

    def awaits(self, text: str) -> None:
        """What is displayed until items are done; an empty text removes it."""
        if text != self._awaited:
            self._awaited, self._awaited_since_s = text, time.monotonic()

    def note(self, done: int, total: int | None, found: int = 0, failed: int = 0) -> None:
        """Note the items that are done, and of all; `total` is None while only `found` of them are
        known."""
        if done != self._done and self._done >= 0:
            self._sample(done)
        self._done, self._found, self._failed = done, found, failed
        self._counted, self._total = total is not None, total or 0

    def _sample(self, done: int) -> None:
        self._last_s = time.monotonic()
        if not self._started:
            self._started, self._first_s = True, self._last_s
        if self._last_s - self._sampled_s >= SAMPLE_EVERY_S:
            self._sampled_s = self._last_s
            self._per_s = self._rate.mark(self._last_s, done)

    def figures(self) -> Figures:
        """What is done or awaited, failures if there are any, rate, time left."""
        if self._awaited and not self._started:
            waited = duration(time.monotonic() - self._awaited_since_s)
            return Figures([f"{self._awaited}, {waited}", *self._counted_so_far()])
        of_total = f"{self._total:,}" if self._counted else f"{self._found:,}+"
        count = f"{self._done:,} of {of_total}"
        failures = [f"{self._failed:,} failed"] if self._failed else []
        texts = [f"{self._stage}: {count}" if self._stage else f"{count} done", *failures]
        share = self._done / self._total if self._started and self._total else None
        return Figures([*texts, *self._pace()], share)

    def _counted_so_far(self) -> list[str]:
        if self._done < 0:  # nothing counts them
            return []
        if self._counted:
            return [f"{self._total:,} images"]
        return [f"{self._found:,} images found so far"]

    def _pace(self) -> list[str]:
        if not self._per_s:
            return []
        pace = [] if self._stage else [f"{self._per_s:,.0f} images/s"]
        now_s = time.monotonic()
        if self._counted and now_s - self._first_s >= ESTIMATE_AFTER_S:
            then_s = left_s(self._total, self._done, self._per_s) or 0.0
            pace.append(f"{duration(max(0, then_s - (now_s - self._last_s)))} left")
        return pace


class Stages:
    """Counts the items of one stage after the other, and displays them."""

    def __init__(self, progress: Quiet, check: Callable[[], None] = lambda: None) -> None:
        """`check` is called for each of them; it raises what ends the work."""
        self._progress, self._check = progress, check
        self.stage("", 0)

    def stage(self, name: str, total: int, passes: int = 1) -> None:
        """Start a stage of `total` items; each passes `passes` times. Without a name its items are
        images."""
        self._progress.close()
        self._meter, self._total, self._passes = Meter(name), total, passes
        self._passed = 0
        self._meter.note(0, total)

    def passed(self, items: int, failed: int = 0) -> None:
        """Count items that have passed; `failed` is the number of all failures."""
        self._check()
        self._passed += items
        # Bounded: what differs is read once more.
        self._note(min(self._passed // self._passes, self._total), failed)

    def reached(self, done: int, total: int) -> None:
        """Set the number of items that are done, and of all."""
        self._total = total
        self._note(done, 0)

    def _note(self, done: int, failed: int) -> None:
        self._meter.note(done, self._total, failed=failed)
        self._progress.show(self._meter.figures)

    def close(self) -> None:
        """End the display."""
        self._progress.close()


class Quiet:
    """Displays notices only."""

    redraws = False  #: whether `show` replaces what it has shown

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._figures: Callable[[], Figures] | None = None
        self._since_s = self._drawn_s = 0.0

    def notice(self, text: str) -> None:
        """Display one line."""
        self._print(one_line(text))

    def event(self, text: str) -> None:
        """Display a step of the work, which stays visible."""

    def show(self, figures: Callable[[], Figures]) -> None:
        """Display the current figures; called often."""

    def draw(self, lines: Sequence[str]) -> None:
        """Display lines, in place of those before where that can be."""

    def close(self) -> None:
        """End the display; notices and events stay visible."""

    def _print(self, text: str) -> None:
        click.echo(text, file=self._stream)

    def _is_due(self, figures: Callable[[], Figures]) -> bool:
        """Whether to display figures now."""
        now_s = time.monotonic()
        if figures != self._figures:
            self._figures, self._since_s = figures, now_s
        lasts_s, rests_s = now_s - self._since_s, now_s - max(self._since_s, self._drawn_s)
        return lasts_s >= DISPLAY_AFTER_S and rests_s >= self._pause_s(lasts_s)

    def _pause_s(self, lasts_s: float) -> float:
        return DRAW_EVERY_S


class Log(Quiet):
    """Prints a line for each event, and for the figures one every few seconds."""

    def event(self, text: str) -> None:
        self._print(text)
        self._drawn_s = time.monotonic()

    def show(self, figures: Callable[[], Figures]) -> None:
        if self._is_due(figures):
            self.event(figures().plain())

    def draw(self, lines: Sequence[str]) -> None:
        self._print("\n".join(lines))

    def _pause_s(self, lasts_s: float) -> float:
        return PLAIN_EVERY_S * max(1.0, min(lasts_s / OFTEN_S, LONGER_MAX))


class Live(Quiet):
    """Draws the figures below notices and events on a terminal, again and again."""

    redraws = True

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._lines: Sequence[str] = ()
        self._is_plain = colour_wanted(os.environ) is False

    def event(self, text: str) -> None:
        self._print(text)

    def show(self, figures: Callable[[], Figures]) -> None:
        if self._is_due(figures):
            self.draw(figures().live(columns_of(self._stream) or NARROW))

    def draw(self, lines: Sequence[str]) -> None:
        """Each line must fit the width of the terminal."""
        self._write("", lines)
        self._drawn_s = time.monotonic()

    def close(self) -> None:
        """Remove the lines."""
        if self._lines:
            self._write("", ())

    def _print(self, text: str) -> None:
        self._write(f"{wrapped('', text, columns_of(self._stream))}\n", self._lines)

    def _write(self, above: str, lines: Sequence[str]) -> None:
        """Replace the lines by a text that stays and other lines."""
        start = _TO_START + _UP * (len(self._lines) - 1) + _CLEAR_BELOW if self._lines else ""
        text = above + "\n".join(lines)
        self._stream.write(start + (click.unstyle(text) if self._is_plain else text))
        self._stream.flush()
        self._lines = lines


def make_progress(quiet: bool = False, stream: TextIO | None = None) -> Quiet:
    """The display for standard error, or for this stream."""
    if quiet:
        return Quiet(stream)
    return (Live if can_redraw(stream) else Log)(stream)


class JobDisplay:
    """Shows the events of one job after the other."""

    KINDS = (Found, Stored, Waiting, Notice, Stage, Started, Watching)

    def __init__(self, progress: Quiet) -> None:
        self._progress, self._meter = progress, Meter()
        self._found = 0
        self._total: int | None = None
        self._stages, self._stage = Stages(progress), ""

    def show(self, event: Event) -> None:
        if isinstance(event, Found):
            self._found, self._total = event.images, event.total
        elif isinstance(event, Stored):
            self._meter.note(event.done, self._total, self._found, event.failed)
            self._progress.show(self._meter.figures)
        elif isinstance(event, Waiting):
            self._meter.awaits(event.text)
        elif isinstance(event, Notice):
            self._progress.notice(event.text)
        elif isinstance(event, Stage):
            self._pass(event)
        elif isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Watching):
            self.close()

    def _start(self, event: Started) -> None:
        self.close()
        self._meter = Meter()
        if event.done:
            count = counted(event.done, "result")
            self._progress.notice(f"job {event.job} continues, with {count} of earlier runs")

    def _pass(self, event: Stage) -> None:
        if event.name != self._stage:
            self._stage = event.name
            self._stages.stage(event.name, event.total)
        self._stages.reached(event.rows, event.total)

    def close(self) -> None:
        """End the display of figures."""
        self._progress.close()
        self._stage = ""
