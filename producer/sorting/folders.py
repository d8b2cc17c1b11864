"""Opens the folders that files are taken from and put into, without following symbolic links.

Every name is used in an open folder, so a folder that is replaced meanwhile redirects nothing.
"""

from __future__ import annotations

import errno
import os
from types import TracebackType

from producer.sort_log.entry import Entry
from producer.sorting.spots import MISSING, NOT_REGULAR, FileStays, Spot
from shared import atomic_file
from shared.errors import SetupError
from shared.failpoints import failpoint

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: To pass through a folder; on Linux it needs no permission to list it.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: Opening a symbolic link so fails with one of these.
_LINK = {errno.ENOTDIR, errno.ELOOP}


class Folders:
    """The folders of a batch, each opened once and closed with this object."""

    def __init__(self, out: bytes) -> None:
        """`out` is absolute and has no symbolic links."""
        self._out = out
        self._open: dict[bytes, int] = {}

    def __enter__(self) -> Folders:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def source(self, entry: Entry, make: bool = False) -> Spot:
        """Where the file came from. With `make` a missing folder is created.

        Raises:
            FileStays: its folder is missing, a link, or may not be read.
        """
        folder, _, name = entry.source.rpartition(b"/")
        return Spot(self.at(folder, make), name)

    def is_placed(self, entry: Entry) -> bool:
        """Whether the file was in its place before anything was sorted."""
        return entry.source == b"/".join((self._out, os.fsencode(entry.folder), entry.name))

    def place(self, entry: Entry) -> Spot:
        """Where the file is put. Its folder is created if it is missing.

        Raises:
            SetupError: its folder is no folder, or cannot be created.
        """
        try:
            folder = self.at(self._out + b"/" + os.fsencode(entry.folder), make=True)
        except (FileStays, OSError) as error:
            raise self._refused(entry.folder, error) from error
        return Spot(folder, entry.name)

    def placed(self, entry: Entry) -> Spot | None:
        """Where the file was put; None if its folder is gone. Raises SetupError."""
        folder = self.existing(entry.folder)
        return None if folder is None else Spot(folder, entry.name)

    def names(self, folder: str) -> list[bytes]:
        """What OUT/FOLDER has. Raises SetupError."""
        fd = self.existing(folder)
        return [] if fd is None else [os.fsencode(name) for name in os.listdir(fd)]

    def existing(self, folder: str) -> int | None:
        """The descriptor of OUT/FOLDER; None if it does not exist. Raises SetupError."""
        try:
            return self.at(self._out + b"/" + os.fsencode(folder))
        except FileStays as error:
            if str(error) == MISSING:
                return None
            raise self._refused(folder, error) from error
        except OSError as error:
            raise self._refused(folder, error) from error

    def _refused(self, folder: str, error: Exception) -> SetupError:
        why = error.strerror if isinstance(error, OSError) else error
        return SetupError(
            f"{os.fsdecode(self._out)}/{folder} cannot be used ({why}); fix this, or choose "
            "another --into, and run the same command again"
        )

    def at(self, path: bytes, make: bool = False) -> int:
        """The descriptor of a folder. Raises FileStays, OSError."""
        if path not in self._open:
            self._open[path] = _opened(path, make)
        return self._open[path]

    def sync(self) -> None:
        """Flush the names in all these folders to disk."""
        for fd in self._open.values():
            atomic_file.sync_names(fd)


def _opened(path: bytes, make: bool) -> int:
    """A descriptor of a folder, which is entered part by part: no part is a symbolic link, and only
    the last one must permit that it is listed. With `make` missing parts are created."""
    parts = path.strip(b"/").split(b"/") if path.strip(b"/") else []
    folder = os.open(b"/", _PASS if parts else _FOLDER)
    for number, part in enumerate(parts, 1):
        try:
            below = _entered(folder, part, _FOLDER if number == len(parts) else _PASS, make)
        finally:
            os.close(folder)
        folder = below
    return folder


def _entered(folder: int, name: bytes, flags: int, make: bool) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise FileStays(MISSING) from None
    except OSError as error:
        if error.errno in _LINK:
            raise FileStays(NOT_REGULAR) from None
        raise
    _make(folder, name)
    return os.open(name, flags, dir_fd=folder)


def _make(folder: int, name: bytes) -> None:
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        return
    failpoint("sort.folder-made")
    parent = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        atomic_file.sync_names(parent)
    finally:
        os.close(parent)
