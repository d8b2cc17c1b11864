"""The records of a journal, one for each batch, each with two checksums: of its files, which
cannot be had again, and of its result, which can.

A checksum is a CRC-32: it finds every damage of up to 32 bits in a row and all but one in 2^32 of
the others, and costs a hundredth of reading the files. It is no signature.

Every function raises sqlite3.DatabaseError where the file is damaged, and is called inside the
journal's transaction where it writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

import msgspec

from producer.journal.sqlite_errors import blob, checksum
from shared.errors import MISFITS, BadMessage
from shared.image_status import Flagged
from shared.messages.files import STAMP, Stamp

_COLUMNS = (
    "n, argument, count, names, stamps, digests, places, failed, flagged, again, result,"
    " files_crc, result_crc"
)
#: The property of a job that holds its unlisted folders. Nothing but --restart forgets it, since
#: files that were passed over are taken in by no later run.
UNLISTED = "unlisted"


class FrozenBatch(msgspec.Struct, frozen=True):
    """A batch as it was frozen: its files never change again."""

    n: int
    argument: int
    names: list[bytes]
    stamps: list[Stamp]
    digests: bytes = b""  #: CRC-32 of each file's bytes, little-endian; empty: not known
    places: list[Place] = []  #: of a repeat: whose rows these are, in path order


class StoredResult(NamedTuple):
    """What came back for batch `n`."""

    n: int
    result: bytes
    failed: int  #: how many images have no label
    flagged: Flagged = {}  #: how many have each flag
    digests: bytes = b""  #: of the files, if the worker has read them


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


def from_record(record: Record) -> FrozenBatch:
    """The batch of a record."""
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
        b"".join(STAMP.pack(*stamp) for stamp in batch.stamps),
        batch.digests,
        pack(batch.places),
    )


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


class Unlisted(msgspec.Struct, frozen=True):
    """How many folders, and the first of them."""

    count: int = 0
    first: str = ""  #: in one line, and why

    def and_one(self, folder: str, why: str) -> Unlisted:
        """With one more folder."""
        return Unlisted(self.count + 1, self.first or f"{folder} ({why})")


def encode_unlisted(unlisted: Unlisted) -> bytes:
    """JSON."""
    return msgspec.json.encode(unlisted)


def decode_unlisted(data: bytes | None) -> Unlisted:
    """What a journal holds, if it holds any. Raises BadMessage."""
    if data is None:
        return Unlisted()
    try:
        return msgspec.json.decode(data, type=Unlisted)
    except MISFITS as error:
        raise BadMessage(
            f"the job's folders that could not be listed cannot be read ({error}); "
            "begin anew with --restart"
        ) from error


#: Whose row an image of a repeat is: the number of the batch, and the index in it.
Place = tuple[int, int]
_PLACE = Struct("<II")


def pack(places: Sequence[Place]) -> bytes | None:
    """Places for the journal; None for those of a batch, which are its own."""
    return b"".join(_PLACE.pack(*place) for place in places) or None


def unpack(places: bytes) -> list[Place]:
    """What `pack` made."""
    return [(n, index) for n, index in _PLACE.iter_unpack(places)]
