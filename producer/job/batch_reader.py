"""Reads the batches of a journal, one in memory at a time."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from itertools import takewhile
from operator import attrgetter
from pathlib import Path

from producer.job import records
from producer.job.records import FrozenBatch, Record
from producer.job.row_batch import AS_CLASSIFIED, START, Position, RowBatch, Rules
from producer.job.sqlite_errors import sqlite_errors

#: Selects the batches that the rows of a table are read from, in order, after one of them.
FINISHED = "WHERE n > ? AND failed IS NOT NULL AND places IS NULL ORDER BY n"
#: Larger than the number of any batch.
LAST = 1 << 62
_FOLLOWING = "WHERE n > ? AND places IS NULL ORDER BY n"


class BatchReader:
    """The base of journals that are open, for writing or only for reading.

    Every method raises SetupError where the file is damaged.
    """

    path: Path
    _db: sqlite3.Connection

    def last(self) -> FrozenBatch | None:
        """The batch that was frozen last, after which the walk resumes."""
        return self._one("WHERE places IS NULL ORDER BY n DESC LIMIT 1")

    def batch(self, n: int) -> FrozenBatch:
        return records.from_record(self.batch_record(n))

    def open_batches(self) -> list[int]:
        """The batches without a result; at most a window of them."""
        with sqlite_errors(self.path):
            rows = self._db.execute("SELECT n FROM batch WHERE failed IS NULL ORDER BY n")
            return [row[0] for row in rows]

    def open_count(self, n: int) -> int | None:
        """The number of images in the batch; None if there is no such open batch."""
        with sqlite_errors(self.path):
            row = self._db.execute(
                "SELECT count FROM batch WHERE n = ? AND failed IS NULL", (n,)
            ).fetchone()
        return None if row is None else int(row[0])

    def row_batches(
        self, rules: Rules = AS_CLASSIFIED, after: Position = START
    ) -> Iterator[RowBatch]:
        """The rows of every finished batch after this position, in order, one batch in memory at a
        time. Raises BadMessage."""
        with sqlite_errors(self.path):
            finished = records.read(self._db, FINISHED, after.n)
            yield from records.row_batches(finished, rules, after)

    def finished_records(self, after: int = START.n, until: int = LAST) -> Iterator[Record]:
        """The records of finished batches with numbers after and up to these, in order, one in
        memory at a time."""
        with sqlite_errors(self.path):
            finished = records.read(self._db, FINISHED, after)
            yield from takewhile(lambda record: record.n <= until, finished)

    def finished_numbers(self) -> array[int]:
        """Their numbers, all in memory."""
        with sqlite_errors(self.path):
            rows = self._db.execute(f"SELECT n FROM batch {FINISHED}", (START.n,))
            return array("I", (n for (n,) in rows))

    def finished_record(self, after: int) -> Record | None:
        """The first of these."""
        with sqlite_errors(self.path):
            return next(records.read(self._db, f"{FINISHED} LIMIT 1", after), None)

    def batch_record(self, n: int) -> Record:
        with sqlite_errors(self.path):
            return records.one(self._db, n)

    def final_row_batches(self, rules: Rules, after: Position) -> Iterator[RowBatch]:
        """Those of the batches that follow without a gap, up to the first one of which a row is
        being repeated: their rows stay as they are while this process has the journal."""
        with sqlite_errors(self.path):
            following = records.read(self._db, _FOLLOWING, after.n)
            final = takewhile(attrgetter("is_final"), following)
            yield from records.row_batches(final, rules, after)

    def names(self) -> Iterator[list[bytes]]:
        """The names of every frozen batch, in order."""
        with sqlite_errors(self.path):
            for record in records.read(self._db, "WHERE places IS NULL ORDER BY n"):
                yield record.names.split(b"\0")

    def _one(self, clause: str, *values: int) -> FrozenBatch | None:
        with sqlite_errors(self.path):
            record = next(records.read(self._db, clause, *values), None)
            return None if record is None else records.from_record(record)
