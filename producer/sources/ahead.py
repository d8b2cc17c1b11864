"""Reads names in advance, so that a source has those that follow before they are read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def announced(items: Iterable[T], count: int, announce: Callable[[T], None]) -> Iterator[T]:
    """The items, in their order; each is announced when it is `count` items ahead."""
    upcoming = deque[T]()
    for item in items:
        announce(item)
        upcoming.append(item)
        if len(upcoming) > count:
            yield upcoming.popleft()
    yield from upcoming
