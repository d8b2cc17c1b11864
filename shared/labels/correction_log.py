"""The corrections of a table: TABLE.corrections.jsonl, append-only, each line synced.

A crash can leave a partial last line. Its decision was never reported as saved; the next append
removes it. Any other damaged line is an error, since a decision may be lost.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared import atomic_file, file_lock, regular_file
from shared.errors import BadMessage, SetupError
from shared.failpoints import failpoint
from shared.labels.correction import Correction, decode, encode

SUFFIX = ".corrections.jsonl"
_READ_BYTES = 1 << 16


def log_path(table: Path) -> Path:
    """The log beside a table."""
    return table.with_name(table.name + SUFFIX)


def read(path: Path, size: int | None = None) -> list[Correction]:
    """Every decision in the first `size` bytes (None: all), oldest first; none without a log.

    Raises:
        SetupError: the log cannot be read, or a line is damaged.
    """
    return Follower(path).new(size)


def complete_size(path: Path) -> int:
    """The size of all decisions so far, in bytes. Raises as `read`."""
    follower = Follower(path)
    follower.new()
    return follower.size


class Follower:
    """Reads a log that grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = self.size = self._lines = 0  #: read so far

    def new(self, until: int | None = None) -> list[Correction]:
        """The decisions since the last call, oldest first; all of them if the file was replaced.
        Bytes after `until` are not read.

        Raises:
            SetupError: the log cannot be read, or a line is damaged.
        """
        with atomic_file.writing(self._path, "check its permissions"):
            try:
                file = regular_file.open_file(self._path)
            except FileNotFoundError:
                return []
            with file:
                info = os.fstat(file.fileno())
                if info.st_ino != self._inode or info.st_size < self.size:
                    self._inode, self.size, self._lines = info.st_ino, 0, 0
                file.seek(self.size)
                data = file.read() if until is None else file.read(max(0, until - self.size))
        return self._decoded(data)

    def _decoded(self, data: bytes) -> list[Correction]:
        *lines, end = data.split(b"\n")
        if _is_whole(end):
            lines.append(end)
        else:
            data = data[: len(data) - len(end)]
        found = [self._line(number, line) for number, line in enumerate(lines, self._lines + 1)]
        self.size += len(data)
        self._lines += len(found)
        return [one for one in found if one is not None]

    def _line(self, number: int, line: bytes) -> Correction | None:
        if not line:  # the end of a line that had none when it was read
            return None
        try:
            return decode(line)
        except BadMessage as error:
            raise SetupError(
                f"{self._path}:{number}: {error}; repair or remove this line"
            ) from error


def _is_whole(end: bytes) -> bool:
    """Whether the bytes after the last line end are a decision: an editor may omit the line end."""
    try:
        decode(end)
    except BadMessage:
        return False
    return True


def append(path: Path, corrections: list[Correction]) -> None:
    """Write decisions durably: all of them, or after an error none.

    Raises:
        SetupError: they cannot be written; the log is unchanged.
    """
    with (
        atomic_file.writing(path, "make room or check its permissions, and decide again"),
        _locked(path) as file,
    ):
        size, end = _end(file)
        try:
            if not _is_whole(end):
                os.ftruncate(file, size)
                end = b""
            _write_all(file, b"\n" * bool(end) + b"".join(map(encode, corrections)))
            failpoint("corrections.written")
            os.fsync(file)
            atomic_file.sync_folder(path.parent)  # the file may be new
        except OSError:
            os.ftruncate(file, size + len(end))
            raise
        failpoint("corrections.appended")


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The open log; other writers are excluded. A symbolic link is refused."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    file = regular_file.open_fd(path, flags, 0o644)
    try:
        file_lock.acquire(file)
        yield file
    finally:
        os.close(file)


def _end(file: int) -> tuple[int, bytes]:
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
