"""Ctrl-C, SIGTERM and a time limit as requests for an orderly stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SOONEST_S = 0.001  # setitimer(0) disables the timer
_LATEST_S = 1e9  # beyond about 9e9 setitimer raises OverflowError


@contextmanager
def interrupts(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on SIGINT or SIGTERM. A second Ctrl-C raises KeyboardInterrupt at once."""

    def handle(number: int, _: object) -> None:
        signal.signal(number, signal.default_int_handler)
        stop()

    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def alarm(after_s: float, ring: Callable[[], None]) -> Iterator[None]:
    """Call `ring` after `after_s` seconds, also during a blocking call; never if infinite."""
    if after_s == float("inf"):
        yield
        return
    old = signal.signal(signal.SIGALRM, lambda *_: ring())
    signal.setitimer(signal.ITIMER_REAL, min(max(after_s, _SOONEST_S), _LATEST_S))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


class WaitInterrupted(BaseException):
    """Ends a wait for Redis."""


class InterruptibleWaits:
    """The waits of one thread. `cut` is called from a signal handler on the same thread."""

    def __init__(self) -> None:
        self._requested = self._waiting = False

    def cut(self) -> None:
        """End the current wait, and from now on every other at once.

        Raises:
            WaitInterrupted: in a wait.
        """
        self._requested = True
        if self._waiting:
            raise WaitInterrupted

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Run a block that may wait for Redis for any time and can be interrupted anywhere.

        Raises:
            WaitInterrupted: `cut` was called.
        """
        self._waiting = True
        try:
            if self._requested:
                raise WaitInterrupted
            yield
        except BaseException as error:
            # A library may replace the error; Python itself does so in a class body.
            raise (WaitInterrupted() if self._requested else error) from None
        finally:
            self._waiting = False
