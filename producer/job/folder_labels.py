"""The label that a file's folder states, where folders are named like labels."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from producer.job.row_batch import RowBatch
from shared.labels.class_folders import ClassFolders, problem

#: With more labels their pairs are not counted: the counts would take more than 32 MB.
MAX_LABELS = 2_000


class FolderLabels:
    """Reads labels of one model version from paths."""

    def __init__(self, labels: Sequence[str]) -> None:
        named = {label for label in labels if not problem(label)}
        folders = ClassFolders(named)
        self._known = {
            folders.folder(label).encode(): i for i, label in enumerate(labels) if label in named
        }
        self._last: tuple[bytes, int | None] = (b"", None)

    def label_of(self, path: bytes) -> int | None:
        """The index of the label that the file's own folder is named like."""
        folder = path.rpartition(b"/")[0]
        if folder != self._last[0]:  # files of one folder follow each other
            self._last = folder, self._known.get(folder.rpartition(b"/")[2])
        return self._last[1]

    def of_rows(self, batch: RowBatch) -> list[int | None]:
        """The same of every row."""
        if batch.is_of_one_folder:
            return [self.label_of(batch.names[0])] * len(batch)
        return list(map(self.label_of, batch.names))


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
