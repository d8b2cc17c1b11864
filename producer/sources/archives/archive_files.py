"""Which files are archives, and how each kind is opened."""

from __future__ import annotations

import os
from collections.abc import Callable

from producer.sources.archives.archive import Archive
from producer.sources.archives.archive_file import ArchiveFile
from producer.sources.archives.gzip_archive import GzipArchive
from producer.sources.archives.tar_archive import TarArchive
from producer.sources.archives.zip_archive import ZipArchive

#: A kind of archive by the ending of its name. The bytes do not decide: an image may have any.
_KINDS: dict[bytes, Callable[[ArchiveFile, Callable[[], None]], Archive]] = {
    b".zip": ZipArchive,
    b".tar": TarArchive,
    b".tar.gz": GzipArchive,
    b".tgz": GzipArchive,
}
ENDINGS = tuple(_KINDS)


def is_archive(path: bytes) -> bool:
    """Whether a file's name is that of an archive that Hangtag reads."""
    return path.lower().endswith(ENDINGS)


def in_own_order(path: bytes) -> bool:
    """Whether its members come in the archive's order, and not in that of their names."""
    return _kind(path) is GzipArchive


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
            self._archive, self._state = _kind(self._path)(file, self._check), state
        return self._archive

    def close(self) -> None:
        """Close the file once no walk reads it."""
        if self._archive is not None:
            self._archive.close()
        self._archive = None


def _kind(path: bytes) -> Callable[[ArchiveFile, Callable[[], None]], Archive]:
    name = path.lower()
    return next(kind for ending, kind in _KINDS.items() if name.endswith(ending))


def _state(info: os.stat_result) -> tuple[int, ...]:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns
