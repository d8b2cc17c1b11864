"""The corrections of a table: TABLE.corrections.jsonl, append-only, each line synced.

A crash can leave a partial last line. Its decision was never reported as saved; the next append
removes it. Any other damaged line is an error, since a decision may be lost.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shared import atomic_file, file_lock, regular_file
from shared.errors import BadMessage, SetupError
from shared.failpoints import failpoint
from shared.labels.class_folders import problem
from shared.labels.correction import Correction, NewerLine, decode, encode

SUFFIX = ".corrections.jsonl"
#: Why a label is refused, as the end of a sentence; empty if it is not.
Rule = Callable[[str], str]
_READ_BYTES = 1 << 16
#: Compared at each reading of a log that grows, so that another file in its place is noticed.
_TAIL_BYTES = 1 << 12


def log_path(table: Path) -> Path:
    """The log beside a table."""
    return table.with_name(table.name + SUFFIX)


def read(path: Path, rule: Rule = problem, size: int | None = None) -> list[Correction]:
    """Every decision in the first `size` bytes (None: all), oldest first; none without a log.

    Raises:
        SetupError: the log cannot be read, a line is damaged or of a newer version, or `rule`
            refuses a label.
    """
    return Follower(path, rule).new(size)


def complete_size(path: Path) -> int:
    """The size of all decisions so far, in bytes. Raises as `read`, but not for a label."""
    follower = Follower(path, lambda label: "")
    follower.new()
    return follower.size


class Follower:
    """Reads a log that grows."""

    def __init__(self, path: Path, rule: Rule = problem) -> None:
        self._path, self._rule = path, rule
        self._inode = self.size = self._lines = 0  #: read so far
        self._sha256, self._tail = hashlib.sha256(), b""  #: of what was read

    def new(self, until: int | None = None) -> list[Correction]:
        """The decisions since the last call, oldest first. Bytes after `until` are not read.

        Raises:
            SetupError: the log cannot be read, a line is damaged or of a newer version, a label is
                refused, or the log has no longer what was read.
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

    def _decoded(self, data: bytes) -> list[Correction]:
        *lines, end = data.split(b"\n")
        if _is_whole(end):
            lines.append(end)
        else:
            data = data[: len(data) - len(end)]
        corrections = [
            self._line(number, line) for number, line in enumerate(lines, self._lines + 1)
        ]
        self.size += len(data)
        self._lines += len(corrections)
        self._sha256.update(data)
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        return [correction for correction in corrections if correction is not None]

    def _line(self, number: int, line: bytes) -> Correction | None:
        if not line:  # the end of a line that had none when it was read
            return None
        try:
            correction = decode(line)
            why = "" if correction.undo else self._rule(correction.label)
            if why:
                raise BadMessage(f"the label {correction.label!r:.80} {why}")
        except NewerLine as error:
            raise SetupError(f"{self._path}:{number}: {error}; update Hangtag here") from error
        except BadMessage as error:
            raise SetupError(
                f"{self._path}:{number}: {error}; repair or remove this line"
            ) from error
        return correction


def _sha256_of(log: BinaryIO, size: int) -> bytes:
    """The SHA-256 of the first `size` bytes; of fewer, if there are fewer."""
    log.seek(0)
    sha256 = hashlib.sha256()
    while size and (data := log.read(min(size, _READ_BYTES))):
        sha256.update(data)
        size -= len(data)
    return sha256.digest()


def _is_whole(end: bytes) -> bool:
    """Whether the bytes after the last line end are a decision: an editor may omit the line end."""
    try:
        decode(end)
    except NewerLine:
        return True
    except BadMessage:
        return False
    return True


def append(path: Path, corrections: list[Correction], restated: int | None = None) -> None:
    """Write decisions durably: all of them, or after an error none. With `restated` they repeat
    decisions in a first part of the log, and give way to later ones of the same images.

    Raises:
        SetupError: they cannot be written; the log is unchanged.
    """
    with (
        atomic_file.writing(path, "make room or check its permissions, and decide again"),
        _locked(path) as file,
    ):
        size, end = _end(file)
        if restated is not None:
            later = _keys(os.pread(file, max(0, size - restated), restated) + end)
            corrections = [
                correction for correction in corrections if correction.sha256 not in later
            ]
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


def _keys(data: bytes) -> set[str]:
    *lines, end = data.split(b"\n")
    return {decode(line).sha256 for line in (*lines, *([end] if _is_whole(end) else [])) if line}


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
