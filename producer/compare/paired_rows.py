"""The rows of two tables, paired by the path of the file, in memory that does not grow with them.

Both tables are read at the same time. Where they have the same order, as two jobs of the same
folders do, each row meets its partner at once. A row whose partner does not come next waits for it
in a temporary database, so tables in any order are paired.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from producer.journal.sealed_journal import SealedJournal
from producer.rows.row import Row
from producer.rows.row_batch import AS_CLASSIFIED, Rules
from producer.sources.job_sources import JobSources
from shared.messages.files import NO_DIGEST

#: The absolute path of a file, and its row.
KeyedRow = tuple[bytes, Row]


class Pair(NamedTuple):
    """The rows of one file; None in the table that does not have it."""

    a: Row | None
    b: Row | None


def is_same_content(a: Row, b: Row) -> bool:
    """Whether both rows are of the same bytes, as far as the journals know."""
    if a.digest in (b"", NO_DIGEST) or b.digest in (b"", NO_DIGEST):
        return a.stamp == b.stamp
    return a.stamp[0] == b.stamp[0] and a.digest == b.digest


def rows(sealed: SealedJournal, rules: Rules = AS_CLASSIFIED) -> Iterator[KeyedRow]:
    """The rows of a table, one batch in memory at a time."""
    paths = _AbsolutePaths(JobSources(sealed.options))
    for batch in sealed.row_batches(rules):
        yield from zip(map(paths.of, batch.names), batch.rows(), strict=True)


class _AbsolutePaths:
    """Absolute paths without `.` and `..`, and the names of images that are in no file; the folder
    of the last one is not computed again."""

    def __init__(self, sources: JobSources) -> None:
        self._sources = sources
        self._folder, self._absolute = b"\0", b""

    def of(self, name: bytes) -> bytes:
        folder, _, file = name.rpartition(b"/")
        if folder != self._folder:
            typed = folder or (b"/" if name.startswith(b"/") else b"")
            path = self._sources.of(name).local_path(typed)
            self._folder = folder
            self._absolute = folder if path is None else os.path.normpath(path)
        return os.path.join(self._absolute, file)


def paired(a: Iterator[KeyedRow], b: Iterator[KeyedRow]) -> Iterator[Pair]:
    """Every row of both tables once: pairs, and at the end the rows without a partner."""
    waiting = _Unpaired()
    try:
        left, right = next(a, None), next(b, None)
        while left is not None and right is not None:
            if left[0] == right[0]:
                yield Pair(left[1], right[1])
                left, right = next(a, None), next(b, None)
            elif left[0] < right[0]:
                yield from waiting.meet_a(left)
                left = next(a, None)
            else:
                yield from waiting.meet_b(right)
                right = next(b, None)
        while left is not None:
            yield from waiting.meet_a(left)
            left = next(a, None)
        while right is not None:
            yield from waiting.meet_b(right)
            right = next(b, None)
        yield from waiting.alone()
    finally:
        waiting.close()


class _Unpaired:
    """Rows that have not met their partner, on disk if they are many."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        for side in ("a", "b"):
            self._db.execute(f"CREATE TABLE {side} (key BLOB NOT NULL, row BLOB NOT NULL)")
            self._db.execute(f"CREATE INDEX {side}_key ON {side} (key)")
        self._db.execute("BEGIN")

    def meet_a(self, keyed: KeyedRow) -> Iterator[Pair]:
        """The pair of a row of the first table, if its partner waits; else it waits."""
        partner = self._take("b", keyed[0])
        if partner is None:
            self._keep("a", keyed)
        else:
            yield Pair(keyed[1], partner)

    def meet_b(self, keyed: KeyedRow) -> Iterator[Pair]:
        """The same of the second table."""
        partner = self._take("a", keyed[0])
        if partner is None:
            self._keep("b", keyed)
        else:
            yield Pair(partner, keyed[1])

    def alone(self) -> Iterator[Pair]:
        """The rows whose partner has not come, in the order of their tables."""
        for (data,) in self._db.execute("SELECT row FROM a ORDER BY rowid"):
            yield Pair(_decode(data), None)
        for (data,) in self._db.execute("SELECT row FROM b ORDER BY rowid"):
            yield Pair(None, _decode(data))

    def close(self) -> None:
        self._db.close()

    def _take(self, side: str, key: bytes) -> Row | None:
        # A list may name a file twice: any of its rows will do.
        row = self._db.execute(
            f"SELECT rowid, row FROM {side} WHERE key = ? LIMIT 1", (key,)
        ).fetchone()
        if row is None:
            return None
        self._db.execute(f"DELETE FROM {side} WHERE rowid = ?", row[:1])
        return _decode(row[1])

    def _keep(self, side: str, keyed: KeyedRow) -> None:
        self._db.execute(f"INSERT INTO {side} VALUES (?, ?)", (keyed[0], _encode(keyed[1])))


def _encode(row: Row) -> bytes:
    return msgspec.msgpack.encode(row)


def _decode(data: bytes) -> Row:
    return msgspec.msgpack.decode(data, type=Row)
