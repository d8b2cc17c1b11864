"""Reads files that a producer refers to, below one root only.

The kernel resolves symbolic links first, and their target is checked before it is opened: an O_PATH
handle opens no device, does not block on a FIFO, and stays on the same folder or file if names are
changed meanwhile. Its real path must lie below the root. A file that is no link is opened by its
name in its folder, whose handle was checked.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
import time
from collections.abc import Sequence
from types import TracebackType

from shared.errors import Unseen
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import UNSEEN, Reference, read_whole, stamp

#: For all referenced files of a batch. Payloads are bounded by the server's memory instead.
MAX_TOTAL_BYTES = MAX_FILE_BYTES
#: The rest is not read from a slow disk, since the claim of the batch would end before the work
#: does (shared/settings.py). Its producer reads the files as well, and waits longer.
MAX_READ_S = 20.0
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
#: For a handle that can be inspected, but neither read nor written.
_INSPECT = getattr(os, "O_PATH", 0) | os.O_CLOEXEC


class SharedFiles:
    """The producers' files that a worker may read: all below `root`; none if it is empty."""

    def __init__(self, root: str) -> None:
        self._root = os.fsencode(os.path.abspath(root)) if root else b""

    def read(self, images: Sequence[bytes | Reference | Status]) -> list[bytes | Status]:
        """The same images, with each reference replaced by the bytes of its file.

        Raises:
            Unseen: a file cannot be read below the root in time, or has changed since the producer
            saw it.
        """
        total = sum(image.stamp[0] for image in images if isinstance(image, Reference))
        if total > MAX_TOTAL_BYTES:
            raise _unseen(f"{total >> 20} MiB in one batch are too many")
        end = time.monotonic() + MAX_READ_S
        with _Root(self._root) as root:
            return [root.read(i, end) if isinstance(i, Reference) else i for i in images]


class _Root:
    """The root while one batch is read. It is opened when the first file is read."""

    def __init__(self, path: bytes) -> None:
        self._path, self._below = path, b""
        self._fd = self._folder = -1
        #: The open folder: most files of a batch lie in the same one.
        self._folder_path: bytes | None = None

    def __enter__(self) -> _Root:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for fd in (self._fd, self._folder):
            if fd >= 0:
                os.close(fd)

    def read(self, file: Reference, end: float) -> bytes:
        """The bytes of a file, before the time `end` (monotonic) for all but the first.

        Raises:
            Unseen: as `SharedFiles.read`.
        """
        if self._fd < 0:
            self._open()
        elif time.monotonic() > end:
            raise _unseen(f"to read them takes longer than {MAX_READ_S:.0f} s")
        folder, _, name = file.path.rpartition(b"/")
        try:
            if folder != self._folder_path:
                self._enter(folder)
            fd = self._file(name)
        except OSError:
            where = f"HANGTAG_ROOT={_printable(self._path)}"
            raise _unseen(f"{_printable(file.path)} cannot be opened below {where}") from None
        try:
            return _content(fd, file)
        finally:
            os.close(fd)

    def _open(self) -> None:
        if not self._path:
            raise _unseen("HANGTAG_ROOT is not set")
        if sys.platform != "linux":
            raise _unseen(f"{sys.platform} has no safe way to open them")
        try:
            self._fd = os.open(self._path, _INSPECT | os.O_DIRECTORY)
            self._below = _real(self._fd).rstrip(b"/") + b"/"
        except OSError as error:
            raise _unseen(f"HANGTAG_ROOT={_printable(self._path)}: {error.strerror}") from None

    def _enter(self, folder: bytes) -> None:
        """Open a folder below the root, or the root itself. Raises OSError."""
        fd = os.open(folder or b".", _INSPECT | os.O_DIRECTORY, dir_fd=self._fd)
        if self._folder >= 0:
            os.close(self._folder)
        self._folder, self._folder_path = fd, None
        if not (_real(fd).rstrip(b"/") + b"/").startswith(self._below):
            raise OSError(errno.EXDEV, "outside")
        self._folder_path = folder

    def _file(self, name: bytes) -> int:
        """Open a regular file in the folder, or the target of a link there. Raises OSError."""
        mode = os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            return self._linked(name)
        _check_regular(mode)
        return os.open(name, _READ | os.O_NOFOLLOW, dir_fd=self._folder)

    def _linked(self, name: bytes) -> int:
        handle = os.open(name, _INSPECT, dir_fd=self._folder)
        try:
            if not _real(handle).startswith(self._below):
                raise OSError(errno.EXDEV, "outside")
            _check_regular(os.fstat(handle).st_mode)
            return os.open(_link(handle), _READ)
        finally:
            os.close(handle)


def _check_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "no regular file")


def _content(fd: int, file: Reference) -> bytes:
    try:
        content = read_whole(fd, file.stamp[0])
        info = os.fstat(fd)  # after the read, to detect a change during it
    except OSError as error:
        raise _unseen(f"{_printable(file.path)}: {error.strerror}") from None
    same = stamp(info) == file.stamp and len(content) == file.stamp[0]
    if not (same and stat.S_ISREG(info.st_mode)):
        raise _unseen(f"{_printable(file.path)} no longer has the size and time it was found with")
    return content


def _link(fd: int) -> bytes:
    return b"/proc/self/fd/%d" % fd


def _real(fd: int) -> bytes:
    """The path of an open file, without symbolic links."""
    return os.readlink(_link(fd))


def _unseen(why: str) -> Unseen:
    return Unseen(f"{UNSEEN}: {why} (on {socket.gethostname()})")


def _printable(path: bytes) -> str:
    return path.decode(errors="backslashreplace")
