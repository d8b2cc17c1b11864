"""Compares the rows of a journal with a walk over its files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import TypeVar

import msgspec

from producer.job.batch_reader import BatchReader
from producer.job.records import Record
from producer.job.row_batch import START, RowBatch
from producer.job.skipped import Counts, Unlisted
from producer.sources.job_sources import Walk, WalkPosition
from producer.sources.row_files import RowFiles
from shared.image_status import Status
from shared.messages.files import NO_STAMP, Stamp, printable

F = TypeVar("F")
R = TypeVar("R")


class PresentFiles:
    """One walk. `row_files` finds those that were sorted."""

    def __init__(self, row_files: RowFiles) -> None:
        self.row_files, self.sources = row_files, row_files.sources
        self.unlisted = Unlisted()
        self._options = self.sources.options
        self._has_one_root = len(self._options.roots) == 1
        self._walk = Walk(self.sources, self._not_listed)
        self.closed: dict[bytes, str] = {}  #: folders that cannot be listed, and why

    @property
    def is_listed(self) -> bool:
        """Whether a list names them."""
        return bool(self._options.list_file)

    @property
    def is_sorted(self) -> bool:
        """Whether they are in the order of their places. A list has any order."""
        return not self.is_listed and all(source.is_sorted for source in self.sources.arguments())

    @property
    def skipped(self) -> Counts:
        """Entries without a row, by reason."""
        return self._walk.skipped

    def __iter__(self) -> Iterator[tuple[WalkPosition, Stamp]]:
        """Raises SetupError: an argument cannot be listed."""
        for number, name, stamp in self._walk.stamps():
            place = number, name
            if stamp != NO_STAMP or self._is_named(place) or not self.is_missing(name):
                yield place, stamp

    def number_of(self, name: bytes) -> int:
        """The number of the argument that an image belongs to."""
        return 0 if self._has_one_root else self.sources.number_of(name)

    def content(self, name: bytes) -> bytes | Status | None:
        """Something of an image, or its status if it has no bytes."""
        return self.sources.source_of(name).read_small(name, 0, self._options.max_file_bytes)[0]

    def may_hold(self, name: bytes) -> bool:
        """Whether an image lies in a folder that cannot be listed now, so that it may be there."""
        return any(name.startswith(folder + b"/") for folder in self.closed)

    def is_missing(self, name: bytes) -> bool:
        """Whether an image is known to be gone."""
        return self.sources.source_of(name).is_missing(name)

    def is_absent(self, file: tuple[WalkPosition, Stamp]) -> bool:
        """Whether a file that was named is known to be gone."""
        (_, name), stamp = file
        return stamp == NO_STAMP and self.is_missing(name)

    def _is_named(self, place: WalkPosition) -> bool:
        """Whether it was named, by a list or as an argument: then it may be missing."""
        number, name = place
        return self.is_listed or name == self._options.roots[number]

    def _not_listed(self, folder: bytes, why: str) -> None:
        self.closed[folder] = why
        self.unlisted = self.unlisted.and_one(printable(folder), why)


_File = tuple[WalkPosition, Stamp]


class KnownRow(msgspec.Struct, gc=False):  # made in a third of a NamedTuple's time
    """A row of a batch."""

    record: Record
    rows: RowBatch
    i: int


class Reordered(Exception):
    """A file of a source that has its own order has moved."""

    def __init__(self, name: bytes) -> None:
        super().__init__(name)
        self.name = name


def compared(
    files: Iterable[_File], journal: BatchReader, present: PresentFiles
) -> Iterator[tuple[_File | None, tuple[WalkPosition, KnownRow] | None]]:
    """Each file with its row; None for a file that has no row, and for a row that has no file.
    `files` are those of `present` that count.

    Both are in the same order, so one pass in constant memory compares them. A list may have any
    order: its rows are found by their names, and those without a file come last.

    Raises:
        SetupError, BadMessage: the journal is damaged.
    """
    if present.is_sorted:
        return in_order(iter(files), _places(journal, present), lambda place: place)
    return _by_name(files, journal, present)


def in_order(
    files: Iterator[tuple[WalkPosition, F]],
    rows: Iterator[tuple[WalkPosition, R]],
    position: Callable[[WalkPosition], WalkPosition],
) -> Iterator[tuple[tuple[WalkPosition, F] | None, tuple[WalkPosition, R] | None]]:
    """Both are in the order of their positions, which all files of a source that has its own order
    share. Raises Reordered: such a source has changed before its end."""
    file, row = next(files, None), next(rows, None)
    while file is not None and row is not None:
        if file[0] == row[0]:
            yield file, row
            file, row = next(files, None), next(rows, None)
        elif (here := position(file[0])) < (there := position(row[0])):
            yield file, None
            file = next(files, None)
        elif there < here:
            yield None, row
            row = next(rows, None)
        else:
            raise Reordered(row[0][1])
    if file is not None:
        yield file, None
    yield from ((file, None) for file in files)
    if row is not None:
        yield None, row
    yield from ((None, row) for row in rows)


def _places(journal: BatchReader, present: PresentFiles) -> Iterator[tuple[WalkPosition, KnownRow]]:
    number_of = present.number_of
    for record in journal.finished_records():
        rows = record.rows()
        for i, name in enumerate(rows.names):
            yield (number_of(name), name), KnownRow(record, rows, i)


def _by_name(
    files: Iterable[_File], journal: BatchReader, present: PresentFiles
) -> Iterator[tuple[_File | None, tuple[WalkPosition, KnownRow] | None]]:
    with closing(_RowsByName(journal)) as known:
        for file in files:
            row = known.row_of_file(file[0][1])
            yield file, None if row is None else (file[0], row)
        for row in known.rows_without_file():
            name = row.rows.names[row.i]
            yield None, ((present.number_of(name), name), row)


class _RowsByName:
    """Rows that follow each other as the files do are found without a search. The first one that
    does not makes an index of all names, which is on disk; a byte a row is in memory."""

    def __init__(self, journal: BatchReader) -> None:
        self._journal = journal
        self._last: KnownRow | None = None
        self._index: sqlite3.Connection | None = None
        self._taken: dict[int, bytearray] = {}  #: by batch, 1 for each row that has a file

    def row_of_file(self, name: bytes) -> KnownRow | None:
        """The row with this name, of several the one after the last one or the first one that has
        no file yet; None if there is none."""
        row = self._next_row()
        if row is None or row.rows.names[row.i] != name:
            row = self._indexed_row(name)
        if row is not None:
            self._last = row
            self._taken.setdefault(row.record.n, bytearray(len(row.rows)))[row.i] = 1
        return row

    def rows_without_file(self) -> Iterator[KnownRow]:
        """The rows that were not taken."""
        for n in self._journal.finished_numbers():
            if n not in self._taken or not all(self._taken[n]):
                record = self._journal.batch_record(n)
                rows = record.rows()
                left = (i for i in range(len(rows)) if not self._has_file(n, i))
                yield from (KnownRow(record, rows, i) for i in left)

    def close(self) -> None:
        if self._index is not None:
            self._index.close()

    def _next_row(self) -> KnownRow | None:
        last = self._last
        if last is not None and last.i + 1 < len(last.rows):
            return KnownRow(last.record, last.rows, last.i + 1)
        record = self._journal.finished_record(START.n if last is None else last.record.n)
        return None if record is None else KnownRow(record, record.rows(), 0)

    def _indexed_row(self, name: bytes) -> KnownRow | None:
        if self._index is None:
            self._index = self._make_index()
        found = self._index.execute("SELECT n, i FROM row WHERE name = ? ORDER BY n, i", (name,))
        places = found.fetchall()
        if not places:
            return None
        n, i = next((place for place in places if not self._has_file(*place)), places[0])
        if self._last is not None and self._last.record.n == n:
            return KnownRow(self._last.record, self._last.rows, i)
        record = self._journal.batch_record(n)
        return KnownRow(record, record.rows(), i)

    def _has_file(self, n: int, i: int) -> bool:
        return n in self._taken and bool(self._taken[n][i])

    def _make_index(self) -> sqlite3.Connection:
        index = sqlite3.connect("")
        index.execute("CREATE TABLE row (name BLOB, n, i, PRIMARY KEY (name, n, i)) WITHOUT ROWID")
        for record in self._journal.finished_records():
            names = enumerate(record.names.split(b"\0"))
            rows = ((name, record.n, i) for i, name in names)
            index.executemany("INSERT INTO row VALUES (?, ?, ?)", rows)
        return index
