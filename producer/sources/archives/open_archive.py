"""An archive that may change while it is read."""

from __future__ import annotations

import os
from collections.abc import Callable

from producer.sources.archives.archive import Archive
from producer.sources.archives.archive_file import ArchiveFile
from producer.sources.archives.archive_kinds import archive_kind


class OpenArchive:
    """One file, opened again when it has changed."""

    def __init__(self, path: bytes, check: Callable[[], None]) -> None:
        self._path, self._check = path, check
        self._state: tuple[int, ...] = ()
        self._archive: Archive | None = None

    def now(self) -> Archive:
        """The archive as it is. Raises OSError, ArchiveDamaged, ArchiveTooLarge."""
        state = _state(os.stat(self._path))
        if self._archive is None or state != self._state:
            self.close()
            file = ArchiveFile(self._path)
            opened = archive_kind(self._path).load()
            self._archive, self._state = opened(file, self._check), state
        return self._archive

    def close(self) -> None:
        """Close the file once no walk reads it."""
        if self._archive is not None:
            self._archive.close()
        self._archive = None


def _state(info: os.stat_result) -> tuple[int, ...]:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns
