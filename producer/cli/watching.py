"""The option --watch: display something again every few seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import click

from producer.terminal.style import columns_of, wrapped
from shared.errors import BrokerAway

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
        from producer.terminal.watch import watch as again

        again(_Watched(lines))
    else:
        for line in lines(lambda text: click.echo(text, err=True)):
            click.echo(line.encode() if as_json else line)


class _Watched:
    """Lines and notices together, since standard error is the same terminal."""

    def __init__(self, lines: Lines) -> None:
        self._lines, self._reached = lines, False

    def __call__(self) -> list[str]:
        notices = list[str]()
        try:
            found = list(self._lines(notices.append))
            self._reached = True
        except BrokerAway as error:
            if not self._reached:
                raise
            found, notices = [], [str(error)]
        room = columns_of(sys.stdout)
        return [*found, *(line for text in notices for line in wrapped("", text, room).split("\n"))]
