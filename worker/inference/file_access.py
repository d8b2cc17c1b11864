"""Files that a producer refers to: opened below one root, and nowhere else.

Symbolic links are resolved first, by the system, and what they lead to is looked at before it is
opened: a handle that can only be asked (O_PATH) opens no device, waits for no FIFO, and stays with
the one folder or file however names are changed meanwhile. Its real path decides. A file that is
no link lies where its folder does, and is opened there, by its name alone.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from collections.abc import Sequence
from types import TracebackType

from shared.errors import Unseen
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import UNSEEN, Reference, read_whole, stamp

#: Of all files of a batch that are read here. What travels is bounded by the server's memory.
MAX_TOGETHER_BYTES = MAX_FILE_BYTES
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
#: A handle that can be asked where it leads and what it is, and nothing else.
_ASK = getattr(os, "O_PATH", 0) | os.O_CLOEXEC


class SharedFiles:
    """What a worker sees of the producers' files: all below `root`; nothing if it is empty."""

    def __init__(self, root: str) -> None:
        self._root = os.fsencode(os.path.abspath(root)) if root else b""

    def read(self, images: Sequence[bytes | Reference | Status]) -> list[bytes | Status]:
        """The same images, with the bytes of the files that are referred to.

        Raises:
            Unseen: a file cannot be had below the root, or is not what the producer saw.
        """
        total = sum(image.stamp[0] for image in images if isinstance(image, Reference))
        if total > MAX_TOGETHER_BYTES:
            raise _unseen(f"{total >> 20} MiB at once are too many")
        with _Root(self._root) as root:
            return [root.read(i) if isinstance(i, Reference) else i for i in images]


class _Root:
    """The root as it is while one batch is read. It is opened when a file is asked for."""

    def __init__(self, path: bytes) -> None:
        self._path, self._below = path, b""
        self._fd = self._folder = -1
        #: The folder that is open: files of a batch are mostly neighbours.
        self._at: bytes | None = None

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

    def read(self, file: Reference) -> bytes:
        """The bytes of a file. Raises Unseen."""
        if self._fd < 0:
            self._open()
        folder, _, name = file.path.rpartition(b"/")
        try:
            if folder != self._at:
                self._enter(folder)
            fd = self._file(name)
        except OSError:
            where = f"HANGTAG_ROOT={_shown(self._path)}"
            raise _unseen(f"{_shown(file.path)} cannot be opened below {where}") from None
        try:
            return _content(fd, file)
        finally:
            os.close(fd)

    def _open(self) -> None:
        if not self._path:
            raise _unseen("HANGTAG_ROOT is not set")
        if sys.platform != "linux":
            raise _unseen(f"there is no safe way to open them on {sys.platform}")
        try:
            self._fd = os.open(self._path, _ASK | os.O_DIRECTORY)
            self._below = _real(self._fd).rstrip(b"/") + b"/"
        except OSError as error:
            raise _unseen(f"HANGTAG_ROOT={_shown(self._path)}: {error.strerror}") from None

    def _enter(self, folder: bytes) -> None:
        """Hold a folder below the root, or the root. Raises OSError."""
        fd = os.open(folder or b".", _ASK | os.O_DIRECTORY, dir_fd=self._fd)
        if self._folder >= 0:
            os.close(self._folder)
        self._folder, self._at = fd, None
        if not (_real(fd).rstrip(b"/") + b"/").startswith(self._below):
            raise OSError(errno.EXDEV, "outside")
        self._at = folder

    def _file(self, name: bytes) -> int:
        """A regular file in the folder, or where a link there leads to. Raises OSError."""
        mode = os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            return self._linked(name)
        _check_regular(mode)
        return os.open(name, _READ | os.O_NOFOLLOW, dir_fd=self._folder)

    def _linked(self, name: bytes) -> int:
        handle = os.open(name, _ASK, dir_fd=self._folder)
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
        info = os.fstat(fd)  # afterwards: so it has not changed while it was read, either
    except OSError as error:
        raise _unseen(f"{_shown(file.path)}: {error.strerror}") from None
    same = stamp(info) == file.stamp and len(content) == file.stamp[0]
    if not (same and stat.S_ISREG(info.st_mode)):
        raise _unseen(f"{_shown(file.path)} is not of the size and time it was found with")
    return content


def _link(fd: int) -> bytes:
    return b"/proc/self/fd/%d" % fd


def _real(fd: int) -> bytes:
    """The path of an open file, without symbolic links."""
    return os.readlink(_link(fd))


def _unseen(why: str) -> Unseen:
    return Unseen(f"{UNSEEN}: {why} (on {socket.gethostname()})")


def _shown(path: bytes) -> str:
    return path.decode(errors="backslashreplace")
