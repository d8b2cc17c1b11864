"""The corrections of a table: TABLE.corrections.jsonl, append-only, each line synced.

A crash can leave a partial last line. Its decision was never reported as saved; the next append
removes it. Any other damaged line is an error, since a decision may be lost.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared import atomic_file, file_lock
from shared.corrections.correction import Correction, decode, encode
from shared.errors import BadMessage, SetupError
from shared.failpoints import failpoint

SUFFIX = ".corrections.jsonl"
_READ_BYTES = 1 << 16


def log_path(table: Path) -> Path:
    """The log beside a table."""
    return table.with_name(table.name + SUFFIX)


def read(path: Path) -> list[Correction]:
    """Every decision, oldest first; none if there is no log.

    Raises:
        SetupError: the log cannot be read, or a line is damaged.
    """
    with atomic_file.writing(path, "check its permissions"):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return []
    complete, end = data[: data.rfind(b"\n") + 1], data[data.rfind(b"\n") + 1 :]
    found = [_line(path, number, line) for number, line in enumerate(complete.splitlines(), 1)]
    return [*found, decode(end)] if _is_whole(end) else found


def _is_whole(end: bytes) -> bool:
    """Whether the bytes after the last line end are a decision: an editor may omit the line end."""
    try:
        decode(end)
    except BadMessage:
        return False
    return True


def _line(path: Path, number: int, line: bytes) -> Correction:
    try:
        return decode(line)
    except BadMessage as error:
        raise SetupError(f"{path}:{number}: {error}; repair or remove this line") from error


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
    file = os.open(path, flags, 0o644)
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
