"""The log of a sort: lines in this user's state folder, synced before a file is touched.

It has what lies in OUT, where each file came from, and what was under way when a process ended. The
log is held in memory: about half a kilobyte for each file that is in OUT.
"""

from __future__ import annotations

import enum
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec

from producer.job.job_index import REMEDY
from producer.present.formatting import undo_command
from shared import atomic_file, file_lock, regular_file
from shared.errors import MISFITS, BadMessage, SetupError, UsageError
from shared.failpoints import failpoint
from shared.labels import line_log, numbered_line
from shared.messages.files import printable

#: The number of the form of a log and its record.
FORMAT = 1


class Way(enum.StrEnum):
    """How a file comes into its folder."""

    COPY = "copy"
    LINK = "link"  #: a hard link
    MOVE = "move"


class State(enum.StrEnum):
    """How far a file is. Its line is synced before it is touched, so a process that ends in between
    leaves PLACING or RETURNING, and the file itself shows what was done."""

    PLACING = "placing"
    PLACED = "placed"
    RETURNING = "returning"  #: `--undo` is taking it back
    OVER = "over"  #: it is back, or was not placed


class ClassifiedContent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was classified."""

    size: int
    crc: bytes  #: as in the journal: CRC-32, little-endian


class Started(msgspec.Struct, frozen=True, tag="started", tag_field="line"):
    """The first line of a log."""

    form: int
    way: Way
    rule: str  #: a digest of the folder of each row
    at: float  #: seconds since 1970


class Entry(msgspec.Struct, frozen=True, tag="file", tag_field="line", gc=False):
    """A file that was placed in OUT/FOLDER/NAME, or is about to be."""

    row: int  #: from 0
    way: Way
    source: bytes  #: absolute path, without symbolic links above the typed folder
    folder: str
    name: bytes
    content: ClassifiedContent
    inode: int  #: of the source when it was planned

    @property
    def source_text(self) -> str:
        """Its source for people."""
        return printable(self.source)

    @property
    def place_text(self) -> str:
        """Its place below OUT for people."""
        return f"{self.folder}/{printable(self.name)}"

    def part(self, log: str) -> bytes:
        """The name of an incomplete copy; `log` is the name of its log."""
        return f".hangtag-{log}-{self.row}.part".encode()

    def aside(self, log: str) -> bytes:
        """The name of a file that is checked before it is removed."""
        return f".hangtag-{log}-{self.row}.aside".encode()


class Marked(msgspec.Struct, frozen=True, tag="marked", tag_field="line"):
    """The state of files from this line on."""

    state: State
    rows: list[int]


Line = Started | Entry | Marked
_LINES: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def decode(content: bytes) -> Line:
    """Raises BadMessage."""
    try:
        return _LINES.decode(content)
    except MISFITS as error:
        raise BadMessage(str(error)) from error


AnyLine = TypeVar("AnyLine")
Item = TypeVar("Item")


class SortLog:
    """The files of one table in one folder."""

    def __init__(self, path: Path, out: str) -> None:
        """Reads the log, if there is one. Raises SetupError: its form is another one."""
        self.path, self.name, self.out = path, path.stem, out
        self.started: Started | None = None
        self.entries: dict[int, Entry] = {}  #: by row
        self.open: dict[int, State] = {}  #: of those that were under way when a process ended
        self.folders: set[bytes] = set()  #: that files ever came from
        self.damaged: list[int] = []  #: the numbers of lines that are damaged or missing
        self._waiting: list[Line] = []  #: to be written with the next ones
        for line in intact(path, decode, self.damaged):
            self._apply(line)

    def check(self) -> None:
        """Raises SetupError if a line is damaged or missing."""
        for number in self.damaged[:1]:
            raise SetupError(
                f"{self.path}:{number}: the line is damaged or missing, so an image is not found; "
                f"restore the file, or take the others back with {undo_command(self.out)} and "
                "delete it"
            )

    def start(self, way: Way, rule: str) -> None:
        """Go on with a sort, or start one. Raises as `check_same`, and SetupError: the log cannot
        be written."""
        self.check_same(way, rule)
        before = self.started
        if before is None or (before.way, before.rule) != (way, rule):
            self.write([Started(FORMAT, way, rule, time.time())])

    def check_same(self, way: Way, rule: str) -> None:
        """Check that a sort may go on.

        Raises:
            UsageError: it was sorted in another way, or its rows had other folders.
            SetupError: the log is damaged.
        """
        self.check()
        if not self.entries:
            return
        before = self.started
        assert before is not None  # it precedes them in a log that is not damaged
        if (before.way, before.rule) != (way, rule):
            what = (
                "with other labels or thresholds, or before an update"
                if before.way == way
                else f"by --{before.way}"
            )
            raise UsageError(
                f"{self.out} has files of this table that were sorted {what}; take them back "
                f"first with: {undo_command(self.out)}"
            )

    def return_below(self, to: bytes, base: bytes) -> None:
        """Let all files return below a folder, which stands for `base`."""
        for row, entry in self.entries.items():
            source = to + entry.source.removeprefix(base)
            self.entries[row] = msgspec.structs.replace(entry, source=source)

    def counts(self) -> Counter[str]:
        """The number of files by folder."""
        return Counter(entry.folder for entry in self.entries.values())

    def under_way(self) -> list[Entry]:
        """The entries that are being placed or taken back."""
        return [self.entries[row] for row in self.open]

    def write(self, lines: Iterable[Line] = ()) -> None:
        """Write these lines after those that wait, and sync them. Raises SetupError."""
        lines = [*self._waiting, *lines]
        if lines:
            append(self.path, lines, decode)
            failpoint("sort.logged")
        for line in lines[len(self._waiting) :]:
            self._apply(line)
        self._waiting = []

    def mark(self, state: State, entries: Iterable[Entry]) -> None:
        """Set the state of entries; it is written with the next lines."""
        if rows := [entry.row for entry in entries]:
            self._waiting.append(Marked(state, rows))
            self._apply(self._waiting[-1])

    def _apply(self, line: Line) -> None:
        match line:
            case Started():
                if line.form != FORMAT:
                    raise SetupError(f"{self.path} was written by another version of Hangtag")
                self.started = line
            case Entry():
                msgspec.structs.force_setattr(line, "folder", sys.intern(line.folder))
                self.entries[line.row], self.open[line.row] = line, State.PLACING
                self.folders.add(line.source.rpartition(b"/")[0])
            case Marked():
                for row in line.rows:
                    self.open.pop(row, None)
                    if line.state is State.OVER:
                        self.entries.pop(row, None)
                    elif line.state is not State.PLACED and row in self.entries:
                        self.open[row] = line.state


def append(path: Path, lines: Iterable[msgspec.Struct], check: Callable[[bytes], object]) -> None:
    """Add lines durably. Raises SetupError."""
    encoded = map(msgspec.json.encode, lines)
    try:
        with atomic_file.writing(path, REMEDY), file_lock.locked(path) as file:
            line_log.append_to(file, path, encoded, check)
    except BadMessage as error:
        raise SetupError(f"{path}: {error}; end its last line with: echo >> {path}") from error


def intact(path: Path, check: Callable[[bytes], AnyLine], damaged: list[int]) -> Iterator[AnyLine]:
    """The lines as they were written; the numbers of others are added to `damaged`. A part of a
    line at the end is of a process that was killed. Raises SetupError: the file cannot be read."""
    last = bad = 0
    with atomic_file.writing(path, REMEDY):
        try:
            file = regular_file.open_file(path)
        except FileNotFoundError:
            return
        with file:
            for line in file:
                try:
                    content, number = numbered_line.opened(line.rstrip(b"\n"))
                    decoded = check(content)
                except BadMessage:
                    bad += line.endswith(b"\n")
                    continue
                if number is not None and number > last:
                    damaged += range(last + 1, number)
                    last, bad = number, 0
                    yield decoded
        damaged += range(last + 1, last + 1 + bad)


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Items in lists of at most `size`."""
    each = iter(items)
    while batch := list(islice(each, size)):
        yield batch


def base_of(logs: Iterable[SortLog]) -> bytes:
    """The folder that all files of some logs came from, without a slash at the end."""
    folders = {folder or b"/" for log in logs for folder in log.folders}
    return os.path.commonpath(folders).rstrip(b"/") if folders else b""
