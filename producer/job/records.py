"""The records of a journal, one for each batch, each with two checksums: of its files, which
cannot be restored, and of its result, which can be computed again.

A checksum is a CRC-32: it detects every burst of up to 32 damaged bits and all but one in 2^32 of
other damages, at a hundredth of the cost of reading the files. It is no signature.

Every function raises sqlite3.DatabaseError if the file is damaged. Functions that write are called
inside the journal's transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from struct import Struct
from typing import NamedTuple

import msgspec

from producer.job.row_batch import AS_CLASSIFIED, Position, RowBatch, Rules, decoded
from producer.job.sqlite_errors import blob, checksum
from shared.image_status import Flagged, count_flags
from shared.messages.batch import BatchResult
from shared.messages.files import STAMP, Stamp, pack_stamps

_COLUMNS = (
    "n, argument, count, names, stamps, digests, places, failed, flagged, again, result,"
    " files_crc, result_crc"
)


class FrozenBatch(msgspec.Struct, frozen=True):
    """A frozen batch: its list of files never changes again."""

    n: int
    argument: int
    names: list[bytes]
    stamps: list[Stamp]
    digests: bytes = b""  #: CRC-32 of each file's bytes, little-endian; empty: not known
    places: list[RowPlace] = []  #: of a repeat: the rows that it replaces, in path order


class StoredResult(NamedTuple):
    """The result of batch `n`."""

    n: int
    result: bytes
    failed: int  #: number of images without a label
    flagged: Flagged = {}  #: number of images with each flag
    digests: bytes = b""  #: of the files, if the worker has read them

    @classmethod
    def of(cls, n: int, data: bytes, result: BatchResult) -> StoredResult:
        """`data` is the message that has the result."""
        return cls(n, data, result.failed, count_flags(result.flags), result.digests)


class Record(NamedTuple):
    """The columns of a record."""

    n: int
    argument: int
    images: int  #: the column `count`
    names: bytes  #: with a NUL between two
    stamps: bytes  #: packed, as are the digests
    digests: bytes  #: empty: not known
    places: bytes | None
    failed: int | None = None
    flagged: str | None = None
    again: int = 0
    result: bytes | None = None

    @property
    def is_final(self) -> bool:
        """Whether it has a result, of which no row is being repeated."""
        return self.failed is not None and not self.again

    def rows(self, first: int = 1, rules: Rules = AS_CLASSIFIED) -> RowBatch:
        """The rows of a batch with a result. Raises BadMessage."""
        return RowBatch(
            self.names,
            decoded(self.names, blob(self.result)),
            n=self.n,
            first=first,
            stamps=self.stamps,
            digests=self.digests,
            rules=rules,
        )

    @property
    def files_crc(self) -> int:
        """The checksum of the frozen columns."""
        return checksum(*self[:7])

    @property
    def result_crc(self) -> int:
        """The checksum of the result columns, also while they are empty."""
        return result_crc(self.n, *self[7:])


def from_record(record: Record) -> FrozenBatch:
    return FrozenBatch(
        record.n,
        record.argument,
        record.names.split(b"\0"),
        [(size, time) for size, time in STAMP.iter_unpack(record.stamps)],
        record.digests,
        unpack(record.places or b""),
    )


def recorded(batch: FrozenBatch) -> Record:
    """The record of a batch that has no result yet."""
    return Record(
        batch.n,
        batch.argument,
        len(batch.names),
        b"\0".join(batch.names),
        pack_stamps(batch.stamps),
        batch.digests,
        pack(batch.places),
    )


def flags_text(flagged: Flagged) -> str | None:
    """The column `flagged`."""
    return json.dumps(flagged) if flagged else None


def result_crc(
    n: int, failed: int | None, flagged: str | None, again: int, result: bytes | None
) -> int:
    """The checksum of the result of batch `n`."""
    return checksum(n, failed, flagged, again, result)


def freeze(database: sqlite3.Connection, batch: FrozenBatch) -> None:
    """Insert a new batch. Raises sqlite3.IntegrityError if its number is taken."""
    insert(database, recorded(batch))


def insert(database: sqlite3.Connection, record: Record) -> None:
    """Insert a record. Raises as `freeze`."""
    cells = (*record, record.files_crc, record.result_crc)
    database.execute(
        f"INSERT INTO batch ({_COLUMNS}) VALUES ({', '.join('?' * len(cells))})", cells
    )


def put_files(database: sqlite3.Connection, record: Record) -> None:
    """Replace the file columns of a batch."""
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
    """Drop the damaged result of a batch; returns its number of images."""
    record, _ = next(_read(database, "WHERE n = ?", n))
    reopened = Record(*record[:7])
    put_result(database, reopened)
    return reopened.images


def one(database: sqlite3.Connection, n: int) -> Record:
    record = next(read(database, "WHERE n = ?", n), None)
    if record is None:
        raise sqlite3.DatabaseError(f"batch {n} is missing")
    return record


def read(database: sqlite3.Connection, clause: str, *values: int) -> Iterator[Record]:
    """The records that an SQL clause selects, one in memory at a time."""
    for record, good in _read(database, clause, *values):
        if not good:
            raise sqlite3.DatabaseError(f"the result of batch {record.n} is damaged")
        yield record


def row_batches(finished: Iterable[Record], rules: Rules, after: Position) -> Iterator[RowBatch]:
    """The rows of batches with results, which follow this position. Raises BadMessage."""
    for record in finished:
        batch = record.rows(after.rows + 1, rules)
        yield batch
        after = batch.end


def damaged(database: sqlite3.Connection, first_new: int, check: Callable[[], None]) -> list[int]:
    """The batches with damaged results. Reads all records, and calls `check` for each, which may
    end that. Before number `first_new` there may be a gap (`NUMBERS`)."""
    numbers, expected = [], 0
    for record, good in _read(database, "ORDER BY n"):
        check()
        if record.n not in (expected, max(expected, first_new)):
            raise sqlite3.DatabaseError(f"batch {expected} is missing")
        expected = record.n + 1
        if not good:
            numbers.append(record.n)
    return numbers


def _read(database: sqlite3.Connection, clause: str, *values: int) -> Iterator[tuple[Record, bool]]:
    """Records, and whether the result of each matches its checksum."""
    for row in database.execute(f"SELECT {_COLUMNS} FROM batch {clause}", values):
        record = Record(*row[:11])
        if record.files_crc != row[11]:
            raise sqlite3.DatabaseError(f"the record of batch {record.n} is damaged")
        yield record, record.result_crc == row[12]


#: The row of an image in a repeat: the number of the batch, and the index in it.
RowPlace = tuple[int, int]
_PLACE = Struct("<II")


def pack(places: Sequence[RowPlace]) -> bytes | None:
    """Places for the journal; None for none, since a batch's rows are its own."""
    return b"".join(_PLACE.pack(*place) for place in places) or None


def unpack(places: bytes) -> list[RowPlace]:
    """The inverse of `pack`."""
    return [(n, index) for n, index in _PLACE.iter_unpack(places)]
