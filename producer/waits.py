"""Waits for Redis that a request to end cuts short, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Cut(BaseException):
    """Ends a wait, however long Redis sleeps."""


class Waits:
    """The waits of one thread. `cut` is called from a signal's handler on the same thread."""

    def __init__(self) -> None:
        self._asked = self._on = False  #: whether to end; whether something is waited for

    def cut(self) -> None:
        """End the wait that is on, and from now on every other at once. Raises Cut in a wait."""
        self._asked = True
        if self._on:
            raise Cut

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """For what may take as long as Redis likes, and may be cut short anywhere. Raises Cut."""
        self._on = True
        try:
            if self._asked:
                raise Cut
            yield
        except BaseException as error:
            # A library may make another error of it: Python itself does so in a class's body.
            raise (Cut() if self._asked else error) from None
        finally:
            self._on = False
