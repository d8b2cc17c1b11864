"""Repeats in the journal: which failed rows are done again, and their results put in place.

Every function is called with the journal's database, inside its transaction where it writes, and
raises sqlite3.DatabaseError or struct.error where the file is damaged.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from producer.fold import Place, fold, groups, pack, replaced, unpack
from producer.frozen import Frozen
from producer.journal_file import blob
from producer.reader import DIGEST_BYTES, STAMP
from shared.contract import BatchResult, decode_result, encode_result
from shared.flag import count_flags
from shared.status import Status

#: Up to where failed rows are in a repeat already, as a property of the job.
_REACHED = "repeated"
_BEFORE_ALL: Place = (-1, 0)
#: What is left of a repeat once its results are in their places: its number.
_EMPTY = (
    "names = x'', stamps = x'', digests = x'', places = x'',"
    " count = 0, failed = 0, flagged = NULL, result = x''"
)


def begin(database: sqlite3.Connection, k: int) -> None:
    """Every failed row waits to be repeated, and so does every row of a batch that has no result,
    since its files may have been mended, too. No repeat is open; the job is not finished.
    `k` is how many labels each row has."""
    database.execute(f"UPDATE batch SET {_EMPTY} WHERE places IS NOT NULL")
    for n, count in database.execute("SELECT n, count FROM batch WHERE result IS NULL").fetchall():
        database.execute(
            "UPDATE batch SET result = ?, failed = ? WHERE n = ?", (_unknown(count, k), count, n)
        )
    database.execute("UPDATE batch SET again = again + failed, failed = 0 WHERE failed > 0")
    database.execute("DELETE FROM job WHERE key IN ('exit', ?)", (_REACHED,))


def under_way(database: sqlite3.Connection) -> int:
    """How many failed rows wait for their repeat or its result."""
    (count,) = database.execute("SELECT total(again) FROM batch").fetchone()
    return int(count)


def reached(database: sqlite3.Connection, place: Place) -> None:
    """Failed rows up to this one are in a repeat."""
    database.execute("INSERT OR REPLACE INTO job VALUES (?, ?)", (_REACHED, pack([place])))


def rows(database: sqlite3.Connection) -> Iterator[tuple[Place, bytes]]:
    """(place, path) of every failed row that is in no repeat yet, in path order."""
    after = _after(database)
    n = after[0]
    # No cursor stays open between two batches, since repeats are frozen and folded meanwhile.
    while (found := _failed_of_next(database, n)) is not None:
        n, names, statuses = found
        for index, (name, code) in enumerate(zip(names, statuses, strict=True)):
            if code != Status.OK.code and (n, index) > after:
                yield (n, index), name
        n += 1


def fold_in(database: sqlite3.Connection, repeat: Frozen, result: bytes) -> None:
    """Put a repeat's results into the batches whose rows they are; leave only its number."""
    new = decode_result(result, len(repeat.names))
    stamps = b"".join(STAMP.pack(*stamp) for stamp in repeat.stamps)
    for target, images in groups(repeat.places):
        count, old, old_stamps, old_digests = _row(
            database, "SELECT count, result, stamps, digests FROM batch WHERE n = ?", target
        )
        folded = fold(decode_result(blob(old), count), new, images)
        flagged = count_flags(folded.flags)
        if old_digests:  # what is not known stays so: of an older Hangtag, or never read here
            old_digests = replaced(blob(old_digests), repeat.digests, images, DIGEST_BYTES)
        database.execute(
            "UPDATE batch SET result = ?, stamps = ?, digests = ?, flagged = ?,"
            " failed = failed + ?, again = again - ? WHERE n = ?",
            (
                encode_result(folded),
                replaced(blob(old_stamps), stamps, images, STAMP.size),
                old_digests,
                json.dumps(flagged) if flagged else None,
                sum(new.statuses[source] != Status.OK.code for source, _ in images),
                len(images),
                target,
            ),
        )
    database.execute(f"UPDATE batch SET {_EMPTY} WHERE n = ?", (repeat.n,))


def _unknown(count: int, k: int) -> bytes:
    """A result that says nothing yet, so that a late one cannot speak of what the files were."""
    statuses = bytes([Status.CHANGED.code]) * count
    return encode_result(BatchResult(k, statuses, bytes(2 * count * k), bytes(4 * count * k)))


def _after(database: sqlite3.Connection) -> Place:
    row = database.execute("SELECT value FROM job WHERE key = ?", (_REACHED,)).fetchone()
    return _BEFORE_ALL if row is None else unpack(blob(row[0]))[0]


def _failed_of_next(database: sqlite3.Connection, n: int) -> tuple[int, list[bytes], bytes] | None:
    """The first batch from `n` on with rows to repeat: its number, names and statuses."""
    row = database.execute(
        "SELECT n, names, result FROM batch WHERE n >= ? AND again > 0 ORDER BY n LIMIT 1", (n,)
    ).fetchone()
    if row is None:
        return None
    names = blob(row[1]).split(b"\0")
    return row[0], names, decode_result(blob(row[2]), len(names)).statuses


def _row(database: sqlite3.Connection, query: str, n: int) -> tuple[int, object, object, object]:
    row: tuple[int, object, object, object] | None = database.execute(query, (n,)).fetchone()
    if row is None:
        raise sqlite3.DatabaseError(f"batch {n} is gone")
    return row
