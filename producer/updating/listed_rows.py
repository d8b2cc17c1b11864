"""Finds the rows of a list by their names, in a list of any other order.

Rows that follow each other as before are found without a search. The first one that does not makes
an index of all names, which is on disk: constant memory.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from producer.journal.batch_reader import BatchReader
from producer.journal.records import Record
from producer.rows.row_batch import START, RowBatch


class Found(NamedTuple):
    """A row of a batch."""

    record: Record
    rows: RowBatch
    i: int


class ListedRows:
    """The rows of a finished job, whose list may have changed since."""

    def __init__(self, journal: BatchReader) -> None:
        self._journal = journal
        self._last: Found | None = None
        self._index: sqlite3.Connection | None = None

    def find(self, name: bytes) -> Found | None:
        """The row with this name, the one after the last one found if there are several; None if
        there is none. Raises SetupError, BadMessage."""
        found = self._following()
        if found is None or found.rows.names[found.i] != name:
            found = self._searched(name)
        self._last = found or self._last
        return found

    def close(self) -> None:
        if self._index is not None:
            self._index.close()

    def _following(self) -> Found | None:
        last = self._last
        if last is not None and last.i + 1 < len(last.rows):
            return last._replace(i=last.i + 1)
        record = self._journal.finished_record(START.n if last is None else last.record.n)
        return None if record is None else Found(record, record.rows(), 0)

    def _searched(self, name: bytes) -> Found | None:
        if self._index is None:
            self._index = self._indexed()
        place = self._index.execute("SELECT n, i FROM row WHERE name = ?", (name,)).fetchone()
        if place is None:
            return None
        n, i = place
        if self._last is not None and self._last.record.n == n:
            return self._last._replace(i=i)
        record = self._journal.batch_record(n)
        return Found(record, record.rows(), i)

    def _indexed(self) -> sqlite3.Connection:
        index = sqlite3.connect("")
        index.execute("CREATE TABLE row (name BLOB PRIMARY KEY, n, i) WITHOUT ROWID")
        for record in self._journal.finished_records():
            names = enumerate(record.names.split(b"\0"))
            rows = ((name, record.n, i) for i, name in names)
            index.executemany("INSERT OR IGNORE INTO row VALUES (?, ?, ?)", rows)
        return index
