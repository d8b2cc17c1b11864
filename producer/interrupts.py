"""Ctrl-C, SIGTERM and the end of a time limit as a request to end soon, in good order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SOONEST_S = 0.001  # a timer of 0 would never ring


@contextmanager
def interrupts(stop: Callable[[], None]) -> Iterator[None]:
    """Either signal calls `stop`; a second Ctrl-C ends what runs at once."""

    def handle(number: int, _: object) -> None:
        signal.signal(number, signal.default_int_handler)
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def alarm(after_s: float, ring: Callable[[], None]) -> Iterator[None]:
    """Call `ring` once so much time has passed, whatever is waited for; infinity is never."""
    if after_s == float("inf"):
        yield
        return
    before = signal.signal(signal.SIGALRM, lambda *_: ring())
    signal.setitimer(signal.ITIMER_REAL, max(after_s, _SOONEST_S))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
