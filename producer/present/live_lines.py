"""Lines at the bottom of a terminal that are drawn again and again, below what is printed.

Without a thread: the caller that has news draws; news that come too often are skipped. The cursor
stays visible, so that a process that is killed leaves an ordinary terminal.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from producer.present.style import colour_wanted

#: The shortest time between two drawings: a person sees no more, and each costs 50 microseconds.
DRAW_EVERY_S = 0.1
_STYLES = re.compile(r"\x1b\[[0-9;]*m")
_UP, _TO_START, _CLEAR_BELOW = "\x1b[A", "\r", "\x1b[J"


class LiveLines:
    """The lines of one display on a terminal that can be drawn on (style.can_redraw)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lines: Sequence[str] = ()
        self._drawn_at = float("-inf")
        self._plain = colour_wanted(os.environ) is False

    @property
    def due(self) -> bool:
        """Whether the last drawing is old enough for another one."""
        return time.monotonic() - self._drawn_at >= DRAW_EVERY_S

    def draw(self, lines: Sequence[str]) -> None:
        """Replace the lines; each must fit the width of the terminal."""
        self._write(self._start() + "\n".join(lines), lines)

    def print(self, text: str) -> None:
        """Print a text above the lines; it stays."""
        self._write(f"{self._start()}{text}\n" + "\n".join(self._lines), self._lines)

    def close(self) -> None:
        """Remove the lines."""
        if self._lines:
            self._write(self._start(), ())

    def leave(self) -> None:
        """Leave the lines on the terminal."""
        if self._lines:
            self._write("\n", ())

    def _start(self) -> str:
        """The codes that remove the lines."""
        if not self._lines:
            return ""
        return _TO_START + _UP * (len(self._lines) - 1) + _CLEAR_BELOW

    def _write(self, text: str, lines: Sequence[str]) -> None:
        self._stream.write(_STYLES.sub("", text) if self._plain else text)
        self._stream.flush()
        self._lines, self._drawn_at = lines, time.monotonic()
