"""The work of a command, whose events are displayed on standard error, and which signals stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from producer.cli.signals import stopped_by_signals
from producer.present.events import Events, Notice
from producer.present.progress import JobDisplay, make_progress
from shared.stop import Stop


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
def running_request(quiet: bool) -> Iterator[tuple[Events, Stop]]:
    """The events of one request, which are displayed, and its stop, which signals request: the
    request continues then."""
    from producer.requests.request_display import RequestDisplay

    events = Events()
    with (
        stopped_by_signals() as stop,
        closing(make_progress(quiet)) as progress,
    ):
        events.subscribe(RequestDisplay(progress).show)
        yield events, stop
