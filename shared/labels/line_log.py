"""Append-only files of decisions, a line for each, synced before anything reports it as saved.

Each line has its number and a checksum (numbered_line.py), but those that 0.2.0 wrote, which come
first. A crash can leave a partial last line. Its decision was never reported as saved: it is
skipped, a line of the log says so, and the next append removes it. Any other damaged or missing
line is an error, since a decision may be lost; nothing is written then. An empty line counts in the
numbers, and is no decision: a person may put it in the place of a damaged one. That the last lines
were removed as a whole cannot be noticed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Generic, NamedTuple, TypeVar

from shared import atomic_file, regular_file
from shared.errors import BadMessage, SetupError
from shared.failpoints import failpoint
from shared.labels import numbered_line
from shared.labels.label_line import NewerLine

_LOG = logging.getLogger(__name__)

_READ_BYTES = 1 << 16
#: Compared at each reading of a log that grows, so that another file in its place is noticed.
_TAIL_BYTES = 1 << 12

Line = TypeVar("Line")
#: The decision of a line. Raises NewerLine or BadMessage.
Decode = Callable[[bytes], Line]


class _Place(NamedTuple):
    """Where a log was read up to."""

    lines: int
    unnumbered: int  #: of these, those of 0.2.0
    is_numbered: bool  #: whether others have followed them


class LineFollower(Generic[Line]):
    """Reads a log that grows. `check` may refuse a line: it raises BadMessage."""

    def __init__(self, path: Path, decode: Decode[Line], check: Callable[[Line], None]) -> None:
        self._path, self._decode, self._check = path, decode, check
        self._inode = self.size = 0  #: read so far
        self._place = _Place(0, 0, False)
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
        return self._decoded(data, until is None)

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

    @property
    def unnumbered(self) -> int:
        """The number of lines of 0.2.0 so far: they have no checksum."""
        return self._place.unnumbered

    def _decoded(self, data: bytes, to_end: bool) -> list[Line]:
        *lines, end = data.split(b"\n")
        if data and self._tail and not self._tail.endswith(b"\n"):  # the last line had no end
            if data[:1] != b"\n":
                raise self._replaced()
            del lines[0]
        last = self._place.lines + len(lines) + 1
        skipped = b"" if self._is_whole(last, end) else end
        if end and not skipped:
            lines.append(end)
        contents, place = self._contents(lines)
        decisions = [
            self._decision(number, content)
            for number, content in enumerate(contents, self._place.lines + 1)
            if content
        ]
        if skipped and to_end:
            _say_skipped(self._path, last, len(skipped))
        self._note(data.removesuffix(skipped), place)
        return decisions

    def _note(self, data: bytes, place: _Place) -> None:
        """Note what was read."""
        self.size += len(data)
        self._place = place
        self._sha256.update(data)
        self._tail = (self._tail + data)[-_TAIL_BYTES:]

    def _is_whole(self, number: int, end: bytes) -> bool:
        try:
            return is_whole(end, self._decode)
        except BadMessage as error:
            raise self._refused(number, error) from error

    def _contents(self, lines: list[bytes]) -> tuple[list[bytes], _Place]:
        """The lines without their numbers and checksums, and the place after them. Damage is
        reported before a wrong order, whose remedy removes the checksums."""
        contents, disorder = [], None
        read, unnumbered, is_numbered = self._place
        for number, line in enumerate(lines, read + 1):
            try:
                content, own = numbered_line.opened(line)
            except BadMessage as error:
                raise self._refused(number, error) from error
            contents.append(content)
            if own is None:
                unnumbered += bool(content)
            if own == number:
                is_numbered = True
            elif disorder is None and (own is not None or (is_numbered and content)):
                disorder = self._disordered(number, own)
        if disorder is not None:
            raise disorder
        return contents, _Place(read + len(lines), unnumbered, is_numbered)

    def _disordered(self, number: int, own: int | None) -> SetupError:
        what = "has no number, and follows one that has" if own is None else f"has number {own:,}"
        name = shlex.quote(str(self._path))
        return SetupError(
            f"{self._path}:{number}: the line {what}, so lines are missing, doubled or in "
            "another order; restore the file, or use its lines as they are, without numbers and "
            f"""checksums: sed -i 's/,"line":.*/}}/' {name}"""
        )

    def _refused(self, number: int, why: object) -> SetupError:
        name = shlex.quote(str(self._path))
        return SetupError(
            f"{self._path}:{number}: {why}; restore the file, or empty this line: "
            f"LC_ALL=C sed -i '{number}s/.*//' {name}"
        )

    def _decision(self, number: int, content: bytes) -> Line:
        try:
            decision = self._decode(content)
            self._check(decision)
        except NewerLine as error:
            raise SetupError(f"{self._path}:{number}: {error}; update Hangtag here") from error
        except BadMessage as error:
            raise self._refused(number, error) from error
        return decision


@lru_cache
def _say_skipped(path: Path, number: int, _size: int) -> None:
    """Log once that a last line is partial; on standard error, where nothing is configured."""
    _LOG.warning(
        "%s:%d: the last line is incomplete and was skipped: it was never reported as saved",
        path, number,
    )  # fmt: skip


def _sha256_of(log: BinaryIO, size: int) -> bytes:
    """The SHA-256 of the first `size` bytes; of fewer, if there are fewer."""
    log.seek(0)
    sha256 = hashlib.sha256()
    while size and (data := log.read(min(size, _READ_BYTES))):
        sha256.update(data)
        size -= len(data)
    return sha256.digest()


def is_whole(end: bytes, decode: Decode[Line]) -> bool:
    """Whether the bytes after the last line end are a decision: an editor may omit the line end.

    Raises:
        BadMessage: they are no part of a line, either.
    """
    try:
        decode(numbered_line.opened(end)[0])
    except NewerLine:
        return True
    except BadMessage:
        if not numbered_line.may_be_torn(end):
            raise
        return False
    return True


def append_to(file: int, path: Path, lines: Iterable[bytes], decode: Decode[Line]) -> None:
    """Write lines durably to an open log that is locked: all of them, or after an error none. They
    get their numbers and checksums.

    Raises:
        OSError: they cannot be written; the log is unchanged.
        BadMessage: its last line is damaged.
    """
    size, end = _ending(file)
    is_torn = not is_whole(end, decode)
    try:
        if is_torn:
            os.ftruncate(file, size)
            end = b""
        _write(file, lines)
        failpoint("corrections.written")
        os.fsync(file)
        atomic_file.sync_folder(path.parent)  # the file may be new
    except OSError:
        os.ftruncate(file, size + len(end))
        raise
    failpoint("corrections.appended")


def _write(file: int, lines: Iterable[bytes]) -> None:
    """Write lines with their numbers after the last line, in one call where the disk has room."""
    size, end = _ending(file)
    first = _next_number(file, size, end)
    written = (numbered_line.numbered(line, number) for number, line in enumerate(lines, first))
    atomic_file.write_all(file, b"\n" * bool(end) + b"".join(written))


def _next_number(file: int, size: int, end: bytes) -> int:
    """The number of the next line; `end` is a last line without its end, after `size` bytes."""
    try:
        _, number = numbered_line.opened(end or _after_line_end(file, size - 1))
    except BadMessage:
        number = None
    if number is not None:
        return number + 1
    ends = sum(
        os.pread(file, min(_READ_BYTES, size - start), start).count(b"\n")
        for start in range(0, size, _READ_BYTES)
    )
    return ends + bool(end) + 1


def _ending(file: int) -> tuple[int, bytes]:
    """The size up to the last line end, and the bytes after it."""
    size = os.fstat(file).st_size
    end = _after_line_end(file, size)
    return size - len(end), end


def _after_line_end(file: int, stop: int) -> bytes:
    """The bytes from the last line end before `stop` up to there."""
    start, end = stop, b""
    while start > 0 and b"\n" not in end:
        start = max(0, start - _READ_BYTES)
        end = os.pread(file, stop - start, start)
    return end[end.rfind(b"\n") + 1 :]
