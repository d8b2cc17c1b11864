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
from typing import TextIO

import click

from producer.present.figures import Figures
from producer.present.formatting import one_line
from producer.present.style import can_redraw, colour_wanted, columns_of, wrapped

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
