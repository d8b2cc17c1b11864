"""Reading one file: its bytes, or the reason why there are none, and a stamp of what was read."""

from __future__ import annotations

import errno
import os
import stat
import zlib
from struct import Struct

from shared.contract import MAX_FILE_BYTES
from shared.status import Status

#: Size in bytes and modification time in ns; what is not there has NO_STAMP.
Stamp = tuple[int, int]
NO_STAMP: Stamp = (-1, -1)
STAMP = Struct("<qq")  #: as the journal keeps it
#: A digest finds every accident. It costs a twentieth of reading a small file, where a SHA-256
#: costs a seventh.
DIGEST_BYTES = 4
NO_DIGEST = bytes(DIGEST_BYTES)
#: A date after 2262 does not fit into the journal's 64 bits; it only has to be told from others.
_MTIME_MASK = (1 << 63) - 1
# Never wait for a FIFO that took the file's place since the walk.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_GONE = {errno.ENOENT, errno.ENOTDIR}


def read(path: bytes) -> tuple[bytes | Status, Stamp]:
    """A file's bytes and stamp; a status instead of bytes where it cannot be read."""
    try:
        fd = os.open(path, _FLAGS)
    except OSError as error:
        return (Status.MISSING if error.errno in _GONE else Status.UNREADABLE), NO_STAMP
    except ValueError:  # a NUL byte in a list of paths
        return Status.MISSING, NO_STAMP
    try:
        info = os.fstat(fd)
        return _content(fd, info), _stamp(info)
    except OSError:
        return Status.UNREADABLE, NO_STAMP
    finally:
        os.close(fd)


def stamp_of(path: bytes) -> Stamp:
    """The stamp that `read` would answer for a file that it can read."""
    try:
        return _stamp(os.stat(path))
    except (OSError, ValueError):
        return NO_STAMP


def digest(content: bytes | Status) -> bytes:
    """CRC-32 of a file's bytes, little-endian; zeros where there are none."""
    if not isinstance(content, bytes):
        return NO_DIGEST
    return zlib.crc32(content).to_bytes(DIGEST_BYTES, "little")


def read_again(path: bytes, stamp: Stamp) -> bytes | Status:
    """The bytes of a file that was read before; `changed` if it is not what it was."""
    content, now = read(path)
    if now == stamp or content is Status.MISSING:
        return content
    return Status.CHANGED


def _stamp(info: os.stat_result) -> Stamp:
    return info.st_size, info.st_mtime_ns & _MTIME_MASK


def _content(fd: int, info: os.stat_result) -> bytes | Status:
    if not stat.S_ISREG(info.st_mode):
        return Status.UNREADABLE
    if info.st_size > MAX_FILE_BYTES:
        return Status.TOO_LARGE
    # One byte more than expected shows the end; asking for a megabyte would allocate it.
    content = os.read(fd, info.st_size + 1)
    while len(content) < info.st_size:
        more = os.read(fd, info.st_size + 1 - len(content))
        if not more:
            break
        content += more
    return content
