"""Append-only files of decisions, a line for each, synced before anything reports it as saved.

A crash can leave a partial last line. Its decision was never reported as saved; the next append
removes it. Any other damaged line is an error, since a decision may be lost.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from shared import atomic_file, file_lock, regular_file
from shared.errors import BadMessage, SetupError
from shared.failpoints import failpoint

_READ_BYTES = 1 << 16
#: Compared at each reading of a log that grows, so that another file in its place is noticed.
_TAIL_BYTES = 1 << 12
#: Creates a missing file; a symbolic link is refused.
_TO_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

Line = TypeVar("Line")
#: The decision of a line. Raises NewerLine or BadMessage.
Decode = Callable[[bytes], Line]


class NewerLine(BadMessage):
    """A line that a newer Hangtag has written."""


class LineFollower(Generic[Line]):
    """Reads a log that grows. `check` may refuse a line: it raises BadMessage."""

    def __init__(self, path: Path, decode: Decode[Line], check: Callable[[Line], None]) -> None:
        self._path, self._decode, self._check = path, decode, check
        self._inode = self.size = self._lines = 0  #: read so far
        self._sha256, self._tail = hashlib.sha256(), b""  #: of what was read

    def new(self, until: int | None = None) -> list[Line]:
        """The decisions since the last call, oldest first. Bytes after `until` are not read.

        Raises:
            SetupError: the log cannot be read, a line is damaged, refused or of a newer version, or
                the log has no longer what was read.
        """
        with atomic_file.writing(self._path, "check its permissions"):
            try:
                log = regular_file.open_file(self._path)
            except FileNotFoundError:
                if self.size:
                    raise self._replaced() from None
                return []
            with log:
                self._check_same(log)
                log.seek(self.size)
                data = log.read() if until is None else log.read(max(0, until - self.size))
        return self._decoded(data)

    def _check_same(self, log: BinaryIO) -> None:
        """Check that the log still begins with what was read. A copy of it is the same log."""
        info = os.fstat(log.fileno())
        if info.st_ino == self._inode:
            log.seek(self.size - len(self._tail))
            same = log.read(len(self._tail)) == self._tail
        else:
            same = _sha256_of(log, self.size) == self._sha256.digest()
        if not same:
            raise self._replaced()
        self._inode = info.st_ino

    def _replaced(self) -> SetupError:
        return SetupError(
            f"{self._path} was removed or changed: it no longer has the decisions that were read "
            "from it; restore it, or start the command again to go on with what it has now"
        )

    def _decoded(self, data: bytes) -> list[Line]:
        *lines, end = data.split(b"\n")
        if is_whole(end, self._decode):
            lines.append(end)
        else:
            data = data[: len(data) - len(end)]
        decisions = [self._line(number, line) for number, line in enumerate(lines, self._lines + 1)]
        self.size += len(data)
        self._lines += len(decisions)
        self._sha256.update(data)
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        return [decision for decision in decisions if decision is not None]

    def _line(self, number: int, line: bytes) -> Line | None:
        if not line:  # the end of a line that had none when it was read
            return None
        try:
            decision = self._decode(line)
            self._check(decision)
        except NewerLine as error:
            raise SetupError(f"{self._path}:{number}: {error}; update Hangtag here") from error
        except BadMessage as error:
            raise SetupError(
                f"{self._path}:{number}: {error}; repair or remove this line"
            ) from error
        return decision


def _sha256_of(log: BinaryIO, size: int) -> bytes:
    """The SHA-256 of the first `size` bytes; of fewer, if there are fewer."""
    log.seek(0)
    sha256 = hashlib.sha256()
    while size and (data := log.read(min(size, _READ_BYTES))):
        sha256.update(data)
        size -= len(data)
    return sha256.digest()


def is_whole(end: bytes, decode: Decode[Line]) -> bool:
    """Whether the bytes after the last line end are a decision: an editor may omit the line end."""
    try:
        decode(end)
    except NewerLine:
        return True
    except BadMessage:
        return False
    return True


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """The open log; other writers are excluded. A symbolic link is refused."""
    file = open_to_append(path)
    try:
        file_lock.acquire(file)
        yield file
    finally:
        os.close(file)


def open_to_append(path: Path) -> int:
    """The log, which is created if it is missing. Raises OSError, also for a symbolic link."""
    return regular_file.open_fd(path, _TO_APPEND, 0o644)


def append_to(file: int, path: Path, lines: bytes, decode: Decode[Line]) -> None:
    """Write lines durably to an open log that is locked: all of them, or after an error none.

    Raises:
        OSError: they cannot be written; the log is unchanged.
    """
    size, end = ending(file)
    try:
        if not is_whole(end, decode):
            os.ftruncate(file, size)
            end = b""
        _write_all(file, b"\n" * bool(end) + lines)
        failpoint("corrections.written")
        os.fsync(file)
        atomic_file.sync_folder(path.parent)  # the file may be new
    except OSError:
        os.ftruncate(file, size + len(end))
        raise
    failpoint("corrections.appended")


def extend(path: Path, size: int, lines: bytes) -> None:
    """Write these lines durably after the first `size` bytes of a log, unless they are there. A
    part of them is what a process that ended has left; other lines stay, before them.

    Raises:
        OSError: they cannot be written.
    """
    with locked(path) as file:
        now = os.fstat(file).st_size
        size = min(size, now)  # a person may have removed the log
        after = os.pread(file, now - size, size)
        if lines in after:
            return
        whole = after[: after.rfind(b"\n") + 1]
        others = b"" if lines.startswith(whole) else whole
        os.ftruncate(file, size + len(others))
        _write_all(file, lines)
        failpoint("corrections.extended")
        os.fsync(file)
        atomic_file.sync_folder(path.parent)


def ending(file: int) -> tuple[int, bytes]:
    """The size up to the last line end, and the bytes after it."""
    start = size = os.fstat(file).st_size
    end = b""
    while start > 0 and b"\n" not in end:
        start = max(0, start - _READ_BYTES)
        end = os.pread(file, size - start, start)
    end = end[end.rfind(b"\n") + 1 :]
    return size - len(end), end


def _write_all(file: int, data: bytes) -> None:
    """Write in a loop, since a nearly full disk accepts a part of the data without an error."""
    while data:
        data = data[os.write(file, data) :]
