"""Reads one file: its bytes, or the reason why it cannot be read, and its stamp."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import TypeVar

from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import NO_STAMP, Stamp, read_whole, stamp

# Non-blocking: a FIFO may have replaced the file since the walk.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_GONE = {errno.ENOENT, errno.ENOTDIR}

T = TypeVar("T")


def read(path: bytes, max_bytes: int = MAX_FILE_BYTES) -> tuple[bytes | Status, Stamp]:
    """A file's bytes and stamp; a status instead of bytes if it cannot be read."""
    return _opened(path, lambda fd, info: _content(fd, info, max_bytes))


def probe(path: bytes, max_bytes: int = MAX_FILE_BYTES) -> tuple[Status | None, Stamp]:
    """The status that `read` would return, without reading; None if it would return bytes."""
    return _opened(path, lambda _, info: _refusal(info, max_bytes))


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
    """The stamp that `read` would return for a readable file."""
    try:
        return stamp(os.stat(path))
    except (OSError, ValueError):
        return NO_STAMP


def read_again(path: bytes, before: Stamp, max_bytes: int = MAX_FILE_BYTES) -> bytes | Status:
    """The bytes of a file that was read before; `changed` if its stamp differs."""
    content, now = read(path, max_bytes)
    if now == before or content is Status.MISSING:
        return content
    return Status.CHANGED


def _content(fd: int, info: os.stat_result, max_bytes: int) -> bytes | Status:
    return _refusal(info, max_bytes) or read_whole(fd, info.st_size)


def _refusal(info: os.stat_result, max_bytes: int) -> Status | None:
    if not stat.S_ISREG(info.st_mode):
        return Status.UNREADABLE
    return Status.TOO_LARGE if info.st_size > max_bytes else None
