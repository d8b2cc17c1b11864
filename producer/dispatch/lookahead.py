"""Reads an iterator some items in advance, so that its end is known before it is reached."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")
#: Bounds the memory for names, at 150 bytes each. Beyond 4 processes it is less than the images
#: that they may have in full batches of small files; batches of photographs are smaller.
AHEAD_MAX = 1 << 14


class Lookahead(Generic[T]):
    """The items of an iterator. `ahead` of them, at most AHEAD_MAX, are read in advance, up to the
    first one that must be used before the next."""

    def __init__(self, items: Iterator[T], must_be_used: Callable[[T], bool] | None = None) -> None:
        self.ahead = 1
        self._must_be_used = must_be_used
        self._items = items
        self._held: deque[T] = deque()
        self._error: Exception | None = None
        self._ended = False

    @property
    def left(self) -> int | None:
        """The number of items that are left; None if their end is not known yet."""
        self._read(min(self.ahead, AHEAD_MAX))
        return len(self._held) if self._ended else None

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        """Only `left` reads further, so that most items cost little."""
        if not self._held:
            self._read(1)
        if self._held:
            return self._held.popleft()
        if self._error is not None:
            raise self._error
        raise StopIteration

    def _read(self, ahead: int) -> None:
        """Read in advance. An error of the iterator is raised after the items before it."""
        while not self._ended and (missing := ahead - len(self._held)) > 0:
            if self._must_be_used is not None:
                if self._held and self._must_be_used(self._held[-1]):
                    return
                missing = 1
            self._take(missing)

    def _take(self, count: int) -> None:
        before = len(self._held)
        try:
            self._held.extend(islice(self._items, count))
            self._ended = len(self._held) < before + count
        except Exception as error:
            self._ended, self._error = True, error
