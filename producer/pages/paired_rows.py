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

from producer.job.row_batch import AS_CLASSIFIED, Row, Rules
from producer.job.sealed_journal import SealedJournal
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
        yield from zip(map(paths.path_of, batch.names), batch.rows(), strict=True)


class _AbsolutePaths:
    """Absolute paths without `.` and `..`, and the names of images that are in no file; the folder
    of the last one is not computed again."""

    def __init__(self, sources: JobSources) -> None:
        self._sources = sources
        self._folder, self._absolute = b"\0", b""

    def path_of(self, name: bytes) -> bytes:
        folder, _, file = name.rpartition(b"/")
        if folder != self._folder:
            typed = folder or (b"/" if name.startswith(b"/") else b"")
            path = self._sources.source_of(name).local_path(typed)
            self._folder = folder
            self._absolute = folder if path is None else os.path.normpath(path)
        return os.path.join(self._absolute, file)


def paired(a: Iterator[KeyedRow], b: Iterator[KeyedRow]) -> Iterator[Pair]:
    """Every row of both tables once: pairs, and at the end the rows without a partner."""
    waiting = _Unpaired()
    try:
        left, right = next(a, None), next(b, None)
        while left is not None or right is not None:
            if left is not None and right is not None and left[0] == right[0]:
                yield Pair(left[1], right[1])
                left, right = next(a, None), next(b, None)
            elif left is not None and (right is None or left[0] < right[0]):
                if (partner := waiting.partner(_A, left)) is not None:
                    yield Pair(left[1], partner)
                left = next(a, None)
            elif right is not None:
                if (partner := waiting.partner(_B, right)) is not None:
                    yield Pair(partner, right[1])
                right = next(b, None)
        yield from (Pair(row, None) for row in waiting.alone(_A))
        yield from (Pair(None, row) for row in waiting.alone(_B))
    finally:
        waiting.close()


#: The sides.
_A, _B = 0, 1


class _Unpaired:
    """Rows that have not met their partner, on disk if they are many."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("CREATE TABLE row (side, key BLOB NOT NULL, row BLOB NOT NULL)")
        self._db.execute("CREATE INDEX row_key ON row (key, side)")
        self._db.execute("BEGIN")

    def partner(self, side: int, keyed: KeyedRow) -> Row | None:
        """The partner of a row, if it waits; else the row waits."""
        key, row = keyed
        # A list may name a file twice: any of its rows will do.
        found = self._db.execute(
            "SELECT rowid, row FROM row WHERE key = ? AND side != ? LIMIT 1", (key, side)
        ).fetchone()
        if found is None:
            self._db.execute("INSERT INTO row VALUES (?, ?, ?)", (side, key, _encode(row)))
            return None
        self._db.execute("DELETE FROM row WHERE rowid = ?", found[:1])
        return _decode(found[1])

    def alone(self, side: int) -> Iterator[Row]:
        """The rows of a table whose partner has not come, in its order."""
        for (data,) in self._db.execute(
            "SELECT row FROM row WHERE side = ? ORDER BY rowid", (side,)
        ):
            yield _decode(data)

    def close(self) -> None:
        self._db.close()


def _encode(row: Row) -> bytes:
    return msgspec.msgpack.encode(row)


def _decode(data: bytes) -> Row:
    return msgspec.msgpack.decode(data, type=Row)
