"""Ctrl-C and SIGTERM, as requests to stop the work of a command."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from producer.cli.ctrl_c import end_at_once
from shared.errors import Stopped
from shared.stop import Stop


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
