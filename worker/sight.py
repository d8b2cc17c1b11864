"""Files that a producer refers to: opened below one root, and nowhere else.

Symbolic links are resolved first, by the system, and what they lead to is looked at before it is
opened: a handle that can only be asked (O_PATH) opens no device, waits for no FIFO, and stays with
the one file however names are changed meanwhile. Its real path decides; then that file is read.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Sequence
from types import TracebackType

from shared.contract import MAX_FILE_BYTES
from shared.errors import Unseen
from shared.reference import UNSEEN, Reference, read_whole, stamp
from shared.status import Status

#: Of all files of a batch that are read here. What travels is bounded by the server's memory.
MAX_TOGETHER_BYTES = MAX_FILE_BYTES
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class Sight:
    """What a worker sees of the producers' files: all below `root`; nothing if it is empty."""

    def __init__(self, root: str) -> None:
        self._root = os.fsencode(os.path.abspath(root)) if root else b""

    def see(self, images: Sequence[bytes | Reference | Status]) -> list[bytes | Status]:
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
        self._path, self._fd, self._below = path, -1, b""

    def __enter__(self) -> _Root:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def read(self, file: Reference) -> bytes:
        """The bytes of a file. Raises Unseen."""
        if self._fd < 0:
            self._open()
        try:
            handle = os.open(file.path, os.O_PATH | os.O_CLOEXEC, dir_fd=self._fd)
            try:
                content = self._content(handle, file)
            finally:
                os.close(handle)
        except OSError:
            content = None
        if content is None:
            raise _unseen(f"{_shown(file.path)} is not below HANGTAG_ROOT={_shown(self._path)}")
        return content

    def _open(self) -> None:
        if not self._path:
            raise _unseen("HANGTAG_ROOT is not set")
        if sys.platform != "linux":
            raise _unseen(f"there is no safe way to open them on {sys.platform}")
        try:
            self._fd = os.open(self._path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self._below = _real(self._fd).rstrip(b"/") + b"/"
        except OSError as error:
            raise _unseen(f"HANGTAG_ROOT={_shown(self._path)}: {error.strerror}") from None

    def _content(self, handle: int, file: Reference) -> bytes | None:
        """None for what is outside, or is no regular file."""
        if not _real(handle).startswith(self._below):
            return None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        fd = os.open(_link(handle), _READ)
        try:
            content = read_whole(fd, file.stamp[0])
            # Looked at afterwards: so it has not changed while it was read, either.
            if stamp(os.fstat(fd)) != file.stamp or len(content) != file.stamp[0]:
                raise _unseen(f"{_shown(file.path)} is not of the size and time it was found with")
        finally:
            os.close(fd)
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
