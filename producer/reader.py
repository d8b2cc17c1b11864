"""Reading one file: its bytes, or the reason why there are none, and a stamp of what was read."""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Callable
from struct import Struct
from typing import TypeVar

from shared.contract import MAX_FILE_BYTES
from shared.reference import Stamp, read_whole, stamp
from shared.status import Status

#: Of what is not there.
NO_STAMP: Stamp = (-1, -1)
STAMP = Struct("<qq")  #: as the journal keeps it
#: A digest finds every accident. It costs a twentieth of reading a small file, where a SHA-256
#: costs a seventh.
DIGEST_BYTES = 4
NO_DIGEST = bytes(DIGEST_BYTES)
# Never wait for a FIFO that took the file's place since the walk.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_GONE = {errno.ENOENT, errno.ENOTDIR}

T = TypeVar("T")


def read(path: bytes) -> tuple[bytes | Status, Stamp]:
    """A file's bytes and stamp; a status instead of bytes where it cannot be read."""
    return _opened(path, _content)


def look(path: bytes) -> tuple[Status | None, Stamp]:
    """What `read` would answer, without reading: None where there are bytes to be had."""
    return _opened(path, lambda _, info: _refusal(info))


def _opened(path: bytes, use: Callable[[int, os.stat_result], T]) -> tuple[T | Status, Stamp]:
    try:
        fd = os.open(path, _FLAGS)
    except OSError as error:
        return (Status.MISSING if error.errno in _GONE else Status.UNREADABLE), NO_STAMP
    except ValueError:  # a NUL byte in a list of paths
        return Status.MISSING, NO_STAMP
    try:
        info = os.fstat(fd)
        return use(fd, info), stamp(info)
    except OSError:
        return Status.UNREADABLE, NO_STAMP
    finally:
        os.close(fd)


def stamp_of(path: bytes) -> Stamp:
    """The stamp that `read` would answer for a file that it can read."""
    try:
        return stamp(os.stat(path))
    except (OSError, ValueError):
        return NO_STAMP


def digest(content: bytes | Status) -> bytes:
    """CRC-32 of a file's bytes, little-endian; zeros where there are none."""
    if not isinstance(content, bytes):
        return NO_DIGEST
    return zlib.crc32(content).to_bytes(DIGEST_BYTES, "little")


def read_again(path: bytes, before: Stamp) -> bytes | Status:
    """The bytes of a file that was read before; `changed` if it is not what it was."""
    content, now = read(path)
    if now == before or content is Status.MISSING:
        return content
    return Status.CHANGED


def _content(fd: int, info: os.stat_result) -> bytes | Status:
    return _refusal(info) or read_whole(fd, info.st_size)


def _refusal(info: os.stat_result) -> Status | None:
    if not stat.S_ISREG(info.st_mode):
        return Status.UNREADABLE
    return Status.TOO_LARGE if info.st_size > MAX_FILE_BYTES else None
