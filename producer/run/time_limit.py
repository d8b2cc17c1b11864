"""The time limit of a command, for the waits of one step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.errors import StillOpen, Stopped
from shared.stop import Waits


@contextmanager
def in_time(waits: Waits, seconds: float, too_late: Callable[[], str]) -> Iterator[None]:
    """End the waits of a block after this time: with StillOpen, which says what was `too_late`."""
    try:
        with waits.within(seconds):
            yield
    except Stopped:
        if waits.late:
            raise StillOpen(too_late()) from None
        raise
