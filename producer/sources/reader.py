"""Reads files by their names: their bytes, or the reason why there are none, and their stamps.

An image of a kind that is not decoded is not sent: its name and its first bytes are sufficient.
"""

from __future__ import annotations

import errno
import os
import stat

from shared.image_formats import HEAD_BYTES, is_image, is_misnamed, is_other_kind
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import NO_STAMP, Stamp, read_whole, stamp

# Non-blocking: a FIFO may have replaced the file since the walk.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
#: The errors of a path that leads to nothing.
GONE = {errno.ENOENT, errno.ENOTDIR}

#: As `below_bytes`: every file is smaller.
_ALL = 1 << 62


class FileReader:
    """The files whose names are paths, relative to a folder or absolute; nothing else joins the
    two. For several threads."""

    def __init__(self, cwd: bytes) -> None:
        self._cwd_slash = os.path.join(cwd, b"")

    def local_path(self, name: bytes) -> bytes:
        """The absolute path of a file or folder."""
        return name if name.startswith(b"/") else self._cwd_slash + name

    def read(self, name: bytes, max_bytes: int = MAX_FILE_BYTES) -> tuple[bytes | Status, Stamp]:
        """A file's bytes and stamp; a status instead of bytes if it cannot be read."""
        content, stamp_now = self.read_small(name, _ALL, max_bytes)
        assert content is not None
        return content, stamp_now

    def read_small(
        self, name: bytes, below_bytes: int, max_bytes: int = MAX_FILE_BYTES
    ) -> tuple[bytes | Status | None, Stamp]:
        """As `read`; None instead of the bytes of a file that is not smaller than `below_bytes`."""
        path = name if name.startswith(b"/") else self._cwd_slash + name
        try:
            fd = os.open(path, _FLAGS)
        except OSError as error:
            return (Status.MISSING if error.errno in GONE else Status.UNREADABLE), NO_STAMP
        except ValueError:  # a NUL byte in a list of paths
            return Status.MISSING, NO_STAMP
        try:
            info = os.fstat(fd)
            content: bytes | Status | None = _refusal(name, fd, info, max_bytes)
            if content is None and info.st_size < below_bytes:
                content = read_whole(fd, info.st_size)
            return content, stamp(info)
        except OSError:
            return Status.UNREADABLE, NO_STAMP
        finally:
            os.close(fd)

    def stamp(self, name: bytes) -> Stamp:
        """The stamp that `read` would return for a readable file."""
        try:
            return stamp(os.stat(self.local_path(name)))
        except (OSError, ValueError):
            return NO_STAMP

    def holds_image(self, name: bytes) -> bool:
        """Whether a file without an ending starts like an image; False if it cannot be read."""
        try:
            fd = os.open(self.local_path(name), _FLAGS)
        except (OSError, ValueError):  # a NUL byte, as in `read`
            return False
        try:
            return is_image(os.pread(fd, HEAD_BYTES, 0))
        except OSError:
            return False
        finally:
            os.close(fd)


def resolved(path: bytes) -> bytes:
    """A path without links, with a slash at its end."""
    return os.path.realpath(path).rstrip(b"/") + b"/"


def _refusal(name: bytes, fd: int, info: os.stat_result, max_bytes: int) -> Status | None:
    if not stat.S_ISREG(info.st_mode):
        return Status.UNREADABLE
    if is_other_kind(name) and not is_misnamed(os.pread(fd, HEAD_BYTES, 0)):
        return Status.UNSUPPORTED
    return Status.TOO_LARGE if info.st_size > max_bytes else None
