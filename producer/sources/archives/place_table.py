"""Numbers by the hashes of names, in 16 bytes for each slot."""

from __future__ import annotations

from array import array

_SLOTS = 1 << 10
_LOAD_MAX = 0.7
_HASH = (1 << 64) - 1


class PlaceTable:
    """A dictionary of names that has no object for each. A number is never 0."""

    def __init__(self) -> None:
        self._hashes, self._numbers = _empty(_SLOTS), _empty(_SLOTS)
        self._count = 0

    def get(self, name: bytes) -> int:
        """The number of a name; 0 if there is none."""
        return self._numbers[self._slot(hash(name) & _HASH)]

    def put(self, name: bytes, number: int) -> None:
        """Add a name that is not there."""
        if self._count > _LOAD_MAX * len(self._hashes):
            self._grow()
        self._set(hash(name) & _HASH, number)
        self._count += 1

    def _set(self, key: int, number: int) -> None:
        slot = self._slot(key)
        self._hashes[slot], self._numbers[slot] = key, number

    def _slot(self, key: int) -> int:
        """The slot of a hash, or a free one."""
        slots = len(self._hashes)
        slot = key % slots
        while self._numbers[slot] and self._hashes[slot] != key:
            slot = (slot + 1) % slots
        return slot

    def _grow(self) -> None:
        hashes, numbers = self._hashes, self._numbers
        self._hashes, self._numbers = _empty(2 * len(hashes)), _empty(2 * len(hashes))
        for key, number in zip(hashes, numbers, strict=True):
            if number:
                self._set(key, number)


def _empty(slots: int) -> array[int]:
    return array("Q", bytes(8 * slots))
