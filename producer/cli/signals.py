"""Ctrl-C and SIGTERM, as requests to stop the work of a command."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import Stopped
from shared.stop import Stop


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
