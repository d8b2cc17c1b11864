"""How often each pair of labels occurs among rows."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

#: With more labels their pairs are not counted: the counts would take more than 32 MB.
MAX_LABELS = 2_000


class LabelPairs:
    """The number of rows of each ordered pair of labels, which are indices."""

    def __init__(self, labels: int) -> None:
        self._labels = labels
        self.counted = labels <= MAX_LABELS
        self._rows = array("Q", bytes(8 * labels * labels if self.counted else 0))

    def add(self, one: int, other: int, rows: int = 1) -> None:
        if self.counted:
            self._rows[one * self._labels + other] += rows

    def rows(self, one: int, other: int) -> int:
        """The number of rows of a pair; 0 if pairs are not counted."""
        return self._rows[one * self._labels + other] if self.counted else 0

    def different(self) -> Iterator[tuple[tuple[int, int], int]]:
        """Each pair of two different labels that has rows, and their number."""
        for place, rows in enumerate(self._rows):
            if rows and place % (self._labels + 1):  # not on the diagonal
                yield divmod(place, self._labels), rows
