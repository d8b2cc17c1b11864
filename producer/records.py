"""The records of a journal, one for each batch, each with two checksums: of its files, which
cannot be had again, and of its result, which can.

A checksum is a CRC-32: it finds every damage of up to 32 bits in a row and all but one in 2^32 of
the others, and costs a hundredth of reading the files. It is no signature.

Every function raises sqlite3.DatabaseError where the file is damaged, and is called inside the
journal's transaction where it writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from producer.journal_file import blob, checksum

_COLUMNS = (
    "n, argument, count, names, stamps, digests, places, failed, flagged, again, result,"
    " files_crc, result_crc"
)


class Record(NamedTuple):
    """The columns of a record."""

    n: int
    argument: int
    images: int  #: the column `count`
    names: bytes
    stamps: bytes
    digests: bytes
    places: bytes | None
    failed: int | None = None
    flagged: str | None = None
    again: int = 0
    result: bytes | None = None

    @property
    def files_crc(self) -> int:
        """Of what was frozen."""
        return checksum(*self[:7])

    @property
    def result_crc(self) -> int:
        """Of what came back, or of there being nothing yet."""
        return result_crc(self.n, *self[7:])


def result_crc(
    n: int, failed: int | None, flagged: str | None, again: int, result: bytes | None
) -> int:
    """The checksum of what came back for batch `n`."""
    return checksum(n, failed, flagged, again, result)


def insert(database: sqlite3.Connection, record: Record) -> None:
    """A new batch. Raises sqlite3.IntegrityError if its number is taken."""
    cells = (*record, record.files_crc, record.result_crc)
    database.execute(
        f"INSERT INTO batch ({_COLUMNS}) VALUES ({', '.join('?' * len(cells))})", cells
    )


def put_files(database: sqlite3.Connection, record: Record) -> None:
    """Replace what is known of a batch's files."""
    database.execute(
        "UPDATE batch SET argument = ?, count = ?, names = ?, stamps = ?, digests = ?, places = ?,"
        " files_crc = ? WHERE n = ?",
        (*record[1:7], record.files_crc, record.n),
    )


def put_result(database: sqlite3.Connection, record: Record) -> None:
    """Replace a batch's result."""
    database.execute(
        "UPDATE batch SET failed = ?, flagged = ?, again = ?, result = ?, result_crc = ?"
        " WHERE n = ?",
        (*record[7:], record.result_crc, record.n),
    )


def reopen(database: sqlite3.Connection, n: int) -> int:
    """Drop the damaged result of a batch; answers how many images it has."""
    record, _ = next(_read(database, "WHERE n = ?", n))
    opened = Record(*record[:7])
    put_result(database, opened)
    return opened.images


def one(database: sqlite3.Connection, n: int) -> Record:
    """Batch `n`."""
    record = next(read(database, "WHERE n = ?", n), None)
    if record is None:
        raise sqlite3.DatabaseError(f"batch {n} is gone")
    return record


def read(database: sqlite3.Connection, clause: str, *values: int) -> Iterator[Record]:
    """The records that a clause of SQL selects, one in memory at a time."""
    for record, good in _read(database, clause, *values):
        if not good:
            raise sqlite3.DatabaseError(f"the result of batch {record.n} is damaged")
        yield record


def rotten(database: sqlite3.Connection) -> list[int]:
    """The batches whose results are damaged; all records are read."""
    found = []
    for expected, (record, good) in enumerate(_read(database, "ORDER BY n")):
        if record.n != expected:
            raise sqlite3.DatabaseError(f"batch {expected} is gone")
        if not good:
            found.append(record.n)
    return found


def _read(database: sqlite3.Connection, clause: str, *values: int) -> Iterator[tuple[Record, bool]]:
    """Records, and whether the result of each is what was written."""
    for row in database.execute(f"SELECT {_COLUMNS} FROM batch {clause}", values):
        record = Record(*row[:11])
        if record.files_crc != row[11]:
            raise sqlite3.DatabaseError(f"the record of batch {record.n} is damaged")
        yield record, record.result_crc == row[12]


def result_of(record: Record) -> bytes:
    """The result of a batch that must have one."""
    return blob(record.result)
