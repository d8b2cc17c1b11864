"""Images that lie in no class folders: those of a folder and of all folders below it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from worker.datasets.folder_layout import ClassFolderWalk, Item
from worker.datasets.split import UNDECIDED

#: Of an image without a label.
NO_LABEL = 0


class LooseWalk(ClassFolderWalk):
    """The images below `root`, which has no classes whatever its folders are called. Raises
    SetupError: there is no such folder."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._entries(self.root)

    def items(self) -> Iterator[Item]:
        """Every file with the ending of an image that is decoded, ordered by name."""
        self.skipped.clear()
        for path in self._files(self.root):
            yield Item(path, NO_LABEL, UNDECIDED)

    def _splits(self) -> list[tuple[bytes, int]]:
        return []

    def _classes(self, folder: bytes) -> list[bytes]:
        return []
