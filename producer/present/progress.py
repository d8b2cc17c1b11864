"""The display of work in progress: drawn on a terminal, lines in a log, or notices only.

What is displayed comes from a meter, which is asked when its display is due: so a meter may report
as often as it likes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Protocol, TextIO

import click

from producer.present.formatting import one_line
from producer.present.live_lines import LiveLines
from producer.present.style import can_redraw, columns_of, wrapped

#: Where the width is not known.
NARROW = 80


class Shown(Protocol):
    """What a display shows at the moment."""

    @property
    def pause_s(self) -> float:
        """The time between two lines of a log."""

    def live(self, room: int) -> Sequence[str]:
        """Lines for a terminal of `room` columns."""

    def plain(self) -> str:
        """The same for a log."""


class ProgressDisplay(Protocol):
    """Displays notices and progress."""

    redraws: bool  #: whether `show` replaces what it has shown

    def notice(self, text: str) -> None:
        """Display one line; the same text twice in a row is displayed once."""

    def event(self, text: str) -> None:
        """Display a step of the work, which stays visible."""

    def show(self, shown: Shown) -> None:
        """Display the current figures; called often."""

    def close(self, leave: bool = False) -> None:
        """End the display; notices and events stay visible, figures if told to `leave` them."""


class Quiet:
    """Displays notices only."""

    redraws = False
    _last = ""

    def __init__(self, stream: TextIO | None = None, after_s: float = 0.0) -> None:
        self._stream = stream or sys.stderr
        self._figures_from_s = time.monotonic() + after_s

    def notice(self, text: str) -> None:
        if text and text != self._last:
            self._print(one_line(text))
        self._last = text

    def event(self, text: str) -> None:
        """Do nothing."""

    def show(self, shown: Shown) -> None:
        """Do nothing."""

    def close(self, leave: bool = False) -> None:
        """Do nothing."""

    def _print(self, text: str) -> None:
        click.echo(text, file=self._stream)


class Log(Quiet):
    """Prints a line for each event, and for the figures one every few seconds."""

    def __init__(self, stream: TextIO | None = None, after_s: float = 0.0) -> None:
        super().__init__(stream, after_s)
        self._shown: Shown | None = None
        self._printed_s = 0.0

    def event(self, text: str) -> None:
        self._print(text)
        self._printed_s = time.monotonic()

    def show(self, shown: Shown) -> None:
        now_s = time.monotonic()
        if shown is not self._shown:
            self._shown, self._printed_s = shown, now_s
        if now_s >= self._figures_from_s and now_s - self._printed_s >= shown.pause_s:
            self.event(shown.plain())


class Live(Quiet):
    """Draws the figures below notices and events on a terminal, again and again."""

    redraws = True

    def __init__(self, stream: TextIO | None = None, after_s: float = 0.0) -> None:
        super().__init__(stream, after_s)
        self._live = LiveLines(self._stream)

    def event(self, text: str) -> None:
        self._print(text)

    def show(self, shown: Shown) -> None:
        if self._live.due and time.monotonic() >= self._figures_from_s:
            room = columns_of(self._stream) or NARROW
            self._live.draw(shown.live(room))

    def close(self, leave: bool = False) -> None:
        if leave:
            self._live.leave()
        else:
            self._live.close()

    def _print(self, text: str) -> None:
        self._live.print(wrapped("", text, columns_of(self._stream)))


def make_progress(
    quiet: bool = False, stream: TextIO | None = None, after_s: float = 0.0
) -> ProgressDisplay:
    """The display for standard error, or for this stream; figures are displayed after a moment."""
    if quiet:
        return Quiet(stream)
    return (Live if can_redraw(stream) else Log)(stream, after_s)
