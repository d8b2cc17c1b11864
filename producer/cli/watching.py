"""The option --watch: display something again every few seconds."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence

import click

from producer.present.formatting import one_line
from producer.present.progress import make_progress
from producer.present.style import dim, wrapped
from shared.errors import BrokerAway

EVERY_S = 2.0
#: Returns lines, and passes what else there is to say to its argument.
Lines = Callable[[Callable[[str], object]], Sequence[str]]
watch_option = click.option(
    "--watch", is_flag=True, help="Display it again every 2 seconds, until Ctrl-C."
)


def show_lines(lines: Lines, watch: bool, as_json: bool = False) -> None:
    """Print the lines once, with notices on standard error; or again and again, above the notices.
    JSON is in UTF-8, with any encoding of texts.

    Raises:
        BrokerAway: the broker is unreachable; while lines are watched, only at first.
    """
    if watch:
        _watch(_Watched(lines))
    else:
        for line in lines(lambda text: click.echo(one_line(text), err=True)):
            click.echo(line.encode() if as_json else line)


def _watch(watched: _Watched) -> None:
    """Draw the lines over the last ones on a terminal; elsewhere print them below each other."""
    progress = make_progress(stream=sys.stdout)
    try:
        while True:
            progress.show(watched)
            time.sleep(EVERY_S)
    except KeyboardInterrupt:
        return
    finally:
        progress.close(leave=True)


class _Watched:
    """Lines and notices together, since standard error is the same terminal. The last line is
    empty, for the ^C that a terminal displays."""

    pause_s = 0.0

    def __init__(self, lines: Lines) -> None:
        self._lines, self._reached = lines, False

    def plain(self) -> str:
        return "\n".join([*self._now(None), ""])

    def live(self, room: int) -> list[str]:
        return [*_cut(self._now(room)), ""]

    def _now(self, room: int | None) -> list[str]:
        notices = list[str]()
        try:
            lines = list(self._lines(lambda text: notices.append(one_line(text))))
            self._reached = True
        except BrokerAway as error:
            if not self._reached:
                raise
            lines, notices = [], [one_line(str(error))]
        return [*lines, *(line for text in notices for line in wrapped("", text, room).split("\n"))]


def _cut(lines: list[str]) -> list[str]:
    """As many lines as the terminal is high; what is above its upper end cannot be drawn again."""
    rows = shutil.get_terminal_size().lines - 2
    if len(lines) <= rows:
        return lines
    return [*lines[: rows - 1], dim(f"... and {len(lines) - rows + 1:,} more lines")]
