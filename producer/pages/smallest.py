"""The few of many things that a page displays."""

from __future__ import annotations

import heapq
import math
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Smallest(Generic[Item]):
    """The `size` things with the smallest keys among those that were added; of equal keys those
    with the smallest numbers."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, int, Item]] = []  #: its first entry has the largest key
        #: A thing with this key, or a larger one, is not among them: at first any thing is.
        self.bound = math.inf if size else -math.inf

    def add(self, key: float, number: int, item: Item) -> None:
        """Add a thing, unless its key is too large. No other one has its number."""
        if key > self.bound:
            return
        entry = (-key, -number, item)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)
        if len(self._heap) == self._size:
            self.bound = -self._heap[0][0]

    @property
    def items(self) -> list[Item]:
        """The one with the smallest key first."""
        return [item for *_, item in sorted(self._heap, key=lambda one: one[:2], reverse=True)]
