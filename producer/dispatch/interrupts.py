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


class WaitInterrupted(BaseException):
    """Ends a wait, however long Redis sleeps."""


class InterruptibleWaits:
    """The waits of one thread. `cut` is called from a signal's handler on the same thread."""

    def __init__(self) -> None:
        self._asked = self._on = False  #: whether to end; whether something is waited for

    def cut(self) -> None:
        """End the wait that is on, and from now on every other at once. Raises Cut in a wait."""
        self._asked = True
        if self._on:
            raise WaitInterrupted

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """For what may take as long as Redis likes, and may be cut short anywhere. Raises Cut."""
        self._on = True
        try:
            if self._asked:
                raise WaitInterrupted
            yield
        except BaseException as error:
            # A library may make another error of it: Python itself does so in a class's body.
            raise (WaitInterrupted() if self._asked else error) from None
        finally:
            self._on = False
