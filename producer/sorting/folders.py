"""Opens the folders that files are taken from and put into, without following symbolic links.

Every name is used in an open folder, so a folder that is replaced meanwhile redirects nothing.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from types import TracebackType
from typing import NamedTuple

from producer.sort_log.log import ClassifiedContent, Entry
from shared import atomic_file
from shared.errors import HangtagError, SetupError
from shared.failpoints import failpoint
from shared.labels.class_folders import MAX_NAME_BYTES

_NOREPLACE = 1
#: A longer one is no ending of an image.
_SUFFIX_MAX_BYTES = 16
# Non-blocking: a FIFO may have replaced the file.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
#: Opening a symbolic link or a socket fails with one of these, or a link as a folder.
_NO_FILE = {errno.ELOOP, errno.ENXIO, errno.ENOTDIR}
_CHUNK_BYTES = 1 << 20
MISSING = "missing"
CHANGED = "changed since it was classified"
NOT_REGULAR = "replaced by a link, a folder or a special file"

#: Device, inode, size and time: the same until a file is replaced or written.
Identity = tuple[int, int, int, int]


class FileStays(HangtagError):
    """A file that stays where it is; the text is the reason."""


class Spot(NamedTuple):
    """A name in an open folder."""

    folder: int  #: descriptor
    name: bytes

    def stat(self) -> os.stat_result | None:
        """The state of the entry itself, not of a link's target; None if there is none. Raises
        OSError."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None


def numbered(name: bytes, number: int) -> bytes:
    """`a.jpg`, `a-2.jpg`, `a-3.jpg`: a name with a number before its ending; 1 changes nothing of
    the name of a file. That of a member of an archive may be longer, and is shortened."""
    stem, suffix = os.path.splitext(name)
    if len(suffix) > _SUFFIX_MAX_BYTES:
        stem, suffix = name, b""
    ending = suffix if number == 1 else b"-%d" % number + suffix
    if len(stem) + len(ending) > MAX_NAME_BYTES:  # without half of a character
        stem = stem[: MAX_NAME_BYTES - len(ending)].decode(errors="ignore").encode()
    return stem + ending


def rename(old: Spot, new: Spot) -> None:
    """Rename a file. Raises FileExistsError if there is anything at `new`, OSError."""
    renameat2 = _renameat2()
    names = (old.folder, old.name, new.folder, new.name)
    if renameat2 is not None and renameat2(*names, _NOREPLACE) == 0:
        failpoint("sort.renamed")
    else:  # also where the kernel or the file system has no such rename; errors are those of `link`
        _link_and_unlink(old, new)


def _link_and_unlink(old: Spot, new: Spot) -> None:
    """Give the file its new name, then remove the old one; in between it has both."""
    link(old, new)
    failpoint("sort.second-name")
    if same_file(old, new):
        try:
            os.unlink(old.name, dir_fd=old.folder)
        except OSError:
            os.unlink(new.name, dir_fd=new.folder)
            raise
        failpoint("sort.first-name-removed")


def same_file(one: Spot, other: Spot) -> bool:
    """Whether two names stand for one file."""
    return identity_at(one) == identity_at(other)


def link(old: Spot, new: Spot) -> None:
    """Make a hard link. Raises FileExistsError, OSError."""
    os.link(old.name, new.name, src_dir_fd=old.folder, dst_dir_fd=new.folder, follow_symlinks=False)
    failpoint("sort.linked")


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    """None: the C library has none."""
    return getattr(ctypes.CDLL(None), "renameat2", None)


@contextmanager
def opened(spot: Spot) -> Iterator[int]:
    """A descriptor of a regular file.

    Raises:
        FileStays: there is none, or it is a link or a special file.
        OSError: it cannot be opened.
    """
    try:
        fd = os.open(spot.name, _READ, dir_fd=spot.folder)
    except FileNotFoundError:
        raise FileStays(MISSING) from None
    except OSError as error:
        if error.errno in _NO_FILE:
            raise FileStays(NOT_REGULAR) from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise FileStays(NOT_REGULAR)
        yield fd
    finally:
        os.close(fd)


def identity(info: os.stat_result) -> Identity:
    """What shows that a name still stands for the same, unchanged file."""
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns


def identity_at(spot: Spot) -> Identity | None:
    """That of what a name stands for; None if there is nothing. Raises OSError."""
    info = spot.stat()
    return None if info is None else identity(info)


def chunks(fd: int) -> Iterator[bytes]:
    """The bytes of an open file from its start."""
    offset = 0
    while chunk := os.pread(fd, _CHUNK_BYTES, offset):
        offset += len(chunk)
        yield chunk


def content_of(fd: int) -> ClassifiedContent:
    """Size and CRC-32 of the bytes of an open file."""
    size = crc = 0
    for chunk in chunks(fd):
        size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return ClassifiedContent(size, crc.to_bytes(4, "little"))


def content_at(spot: Spot) -> ClassifiedContent | None:
    """What a regular file contains; None if there is none. Raises OSError."""
    try:
        with opened(spot) as fd:
            return content_of(fd)
    except FileStays:
        return None


def same_bytes(one: Spot, other: Spot) -> bool:
    """Whether two regular files are one, or equal byte for byte. Raises OSError."""
    try:
        with opened(one) as first, opened(other) as second:
            if os.path.sameopenfile(first, second):
                return True
            return all(a == b for a, b in zip_longest(chunks(first), chunks(second)))
    except FileStays:
        return False


def check(fd: int, wanted: ClassifiedContent) -> None:
    """Raises FileStays if an open file contains anything but `wanted`."""
    if content_of(fd) != wanted:
        raise FileStays(CHANGED)


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: To pass through a folder; on Linux it needs no permission to list it.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folders:
    """The folders of a batch, each opened once and closed with this object."""

    def __init__(self, out: str) -> None:
        """`out` is absolute and has no symbolic links."""
        self._out = os.fsencode(out)
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

    def source_spot(self, entry: Entry, make: bool = False) -> Spot:
        """Where the file came from. With `make` a missing folder is created.

        Raises:
            FileStays: its folder is missing, a link, or may not be read.
        """
        folder, _, name = entry.source.rpartition(b"/")
        return Spot(self.descriptor(folder, make), name)

    def is_placed(self, entry: Entry) -> bool:
        """Whether the file was in its place before anything was sorted."""
        return entry.source == b"/".join((self._out, os.fsencode(entry.folder), entry.name))

    def goal_spot(self, entry: Entry) -> Spot:
        """Where the file is put. Its folder is created if it is missing. Raises as `existing`."""
        folder = self.label_folder(entry.folder, make=True)
        assert folder is not None
        return Spot(folder, entry.name)

    def placed_spot(self, entry: Entry) -> Spot | None:
        """Where the file was put; None if its folder is gone. Raises SetupError."""
        folder = self.label_folder(entry.folder)
        return None if folder is None else Spot(folder, entry.name)

    def names(self, folder: str) -> list[bytes]:
        """What OUT/FOLDER has. Raises SetupError."""
        fd = self.label_folder(folder)
        return [] if fd is None else [os.fsencode(name) for name in os.listdir(fd)]

    def label_folder(self, folder: str, make: bool = False) -> int | None:
        """The descriptor of OUT/FOLDER; None if it does not exist. With `make` it is created.

        Raises:
            SetupError: it is no folder, or cannot be created or opened.
        """
        try:
            return self.descriptor(self._out + b"/" + os.fsencode(folder), make)
        except (FileStays, OSError) as error:
            if str(error) == MISSING:
                return None
            why = error.strerror if isinstance(error, OSError) else error
            raise SetupError(
                f"{os.fsdecode(self._out)}/{folder} cannot be used ({why}); fix this, or choose "
                "another --into, and run the same command again"
            ) from error

    def descriptor(self, path: bytes, make: bool = False) -> int:
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
        if error.errno in _NO_FILE:
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
