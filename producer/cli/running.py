"""The work of a command, whose events are displayed on standard error, and which signals stop."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

import click

from producer.cli.ctrl_c import end_at_once
from producer.cli.options import as_json, is_silent
from producer.present.events import Events, Notice
from producer.present.formatting import one_line
from producer.present.progress import JobDisplay, make_progress
from producer.present.style import columns_of, dim, wrapped
from shared.errors import BrokerAway, Stopped
from shared.stop import Stop

EVERY_S = 2.0


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt within, where otherwise it ends the process at once."""
    if signal.getsignal(signal.SIGINT) is not end_at_once:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, end_at_once)


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """A stop that SIGINT or SIGTERM request. A second signal of the same kind raises
    KeyboardInterrupt at once, and so does work that was stopped, with its remedy."""
    stop = Stop()

    def handle(number: int, _: object) -> None:
        signal.signal(number, signal.default_int_handler)
        stop.request()

    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    except Stopped as error:
        raise KeyboardInterrupt(error.remedy) from None
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def running_job(quiet: bool) -> Iterator[tuple[Events, Stop]]:
    """The events of one job, which are displayed, and its stop, which signals request."""
    events = Events()
    with (
        stopped_by_signals() as stop,
        closing(make_progress(quiet)) as progress,
        closing(JobDisplay(progress)) as display,
    ):
        events.subscribe(display.show, *((Notice,) if quiet else JobDisplay.KINDS))
        yield events, stop


@contextmanager
def running_request(quiet: bool | None = None) -> Iterator[tuple[Events, Stop]]:
    """The events of one request, which are displayed, and its stop, which signals request: the
    request continues then. `quiet` is by default what the command says."""
    from producer.trainer.request_display import RequestDisplay

    events = Events()
    with (
        stopped_by_signals() as stop,
        closing(make_progress(is_silent() if quiet is None else quiet)) as progress,
    ):
        events.subscribe(RequestDisplay(progress).show)
        yield events, stop


#: Returns lines, and passes what else there is to say to its argument.
Lines = Callable[[Callable[[str], object]], Sequence[str]]
watch_option = click.option(
    "--watch", is_flag=True, help="Display it again every 2 seconds, until Ctrl-C."
)


def show_lines(lines: Lines, watch: bool) -> None:
    """Print the lines once, with notices on standard error; or again and again, above the notices.
    JSON is in UTF-8, with any encoding of texts.

    Raises:
        BrokerAway: the broker is unreachable; while lines are watched, only at first.
    """
    if watch:
        _watch(lines)
    else:
        for line in lines(lambda text: click.echo(one_line(text), err=True)):
            click.echo(line.encode() if as_json() else line)


def _watch(lines: Lines) -> None:
    """Draw the lines over the last ones on a terminal; elsewhere print them below each other. The
    last one is empty, for the ^C that a terminal displays."""
    progress, reached = make_progress(stream=sys.stdout), False
    try:
        while True:
            room = columns_of(sys.stdout)
            try:
                shown, reached = _with_notices(lines, room), True
            except BrokerAway as error:
                if not reached:
                    raise
                shown = wrapped("", one_line(str(error)), room).split("\n")
            progress.draw([*(shown if room is None else _cut(shown)), ""])
            time.sleep(EVERY_S)
    except KeyboardInterrupt:
        if progress.redraws:
            click.echo()


def _with_notices(lines: Lines, room: int | None) -> list[str]:
    """Lines and notices together, since standard error is the same terminal."""
    notices = list[str]()
    shown = list(lines(lambda text: notices.append(wrapped("", one_line(text), room))))
    return [*shown, *(line for notice in notices for line in notice.split("\n"))]


def _cut(lines: list[str]) -> list[str]:
    """As many lines as the terminal is high; what is above its upper end cannot be drawn again."""
    rows = shutil.get_terminal_size().lines - 2
    if len(lines) <= rows:
        return lines
    return [*lines[: rows - 1], dim(f"... and {len(lines) - rows + 1:,} more lines")]
