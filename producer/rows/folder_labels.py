"""The label that a file's folder states, where folders are named like labels."""

from __future__ import annotations

from collections.abc import Sequence

from producer.rows.row_batch import RowBatch
from shared.labels.class_folders import ClassFolders, problem


class FolderLabels:
    """Reads labels of one model version from paths."""

    def __init__(self, labels: Sequence[str]) -> None:
        named = {label for label in labels if not problem(label)}
        folders = ClassFolders(named)
        self._known = {
            folders.folder(label).encode(): i for i, label in enumerate(labels) if label in named
        }
        self._last: tuple[bytes, int | None] = (b"", None)

    def of(self, path: bytes) -> int | None:
        """The index of the label that the file's own folder is named like."""
        folder = path.rpartition(b"/")[0]
        if folder != self._last[0]:  # files of one folder follow each other
            self._last = folder, self._known.get(folder.rpartition(b"/")[2])
        return self._last[1]

    def of_rows(self, batch: RowBatch) -> list[int | None]:
        """The same of every row."""
        if batch.is_of_one_folder:
            return [self.of(batch.names[0])] * len(batch)
        return list(map(self.of, batch.names))
