"""Displays something again and again, until Ctrl-C."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence

import click

from producer.terminal.live_lines import LiveLines
from producer.terminal.style import can_redraw, dim

EVERY_S = 2.0


def watch(lines: Callable[[], Sequence[str]]) -> None:
    """Draw the lines over the last ones on a terminal; elsewhere print them below each other.

    The last line is empty, for the ^C that a terminal displays.
    """
    if not can_redraw(sys.stdout):
        _repeat(lambda: click.echo("\n".join([*lines(), ""])))
        return
    live = LiveLines(sys.stdout)
    try:
        _repeat(lambda: live.draw([*_cut(lines()), ""]))
    finally:
        live.leave()


def _repeat(show: Callable[[], None]) -> None:
    try:
        while True:
            show()
            time.sleep(EVERY_S)
    except KeyboardInterrupt:
        return


def _cut(lines: Sequence[str]) -> Sequence[str]:
    """As many lines as the terminal is high; what is above its upper end cannot be drawn again."""
    rows = shutil.get_terminal_size().lines - 2
    if len(lines) <= rows:
        return lines
    return [*lines[: rows - 1], dim(f"... and {len(lines) - rows + 1:,} more lines")]
