"""Repeats in the journal: schedules failed rows for a repeat, and stores the new results.

Every function takes the journal's database, and raises sqlite3.DatabaseError or struct.error if the
file is damaged. Functions that write are called inside the journal's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby

from producer.job import property_table, records
from producer.job.records import FrozenBatch, RowPlace, pack, recorded, unpack
from producer.job.row_batch import fold, replaced
from shared.image_status import Status, count_flags
from shared.messages.batch import BatchResult, encode_result
from shared.messages.files import DIGEST_BYTES, STAMP

#: The property of a job that holds the place of the last failed row that is in a repeat.
REACHED = "repeated"
_BEFORE_ALL: RowPlace = (-1, 0)
#: The property of a job that repeats only rows with the status `changed`: of a table that is
#: brought up to date, these are new files and those that have changed.
ONLY_CHANGED = "only-changed"


def schedule(database: sqlite3.Connection, k: int) -> None:
    """Schedule every failed row for a repeat, and every row of a batch without a result, since its
    files may have been fixed, too. Closes open repeats and marks the job as unfinished.
    `k` is the number of labels of each row."""
    for n in _numbers(database, "places IS NOT NULL"):
        _clear(database, n)
    for n in _numbers(database, "failed IS NULL"):
        record = records.one(database, n)
        count = record.images
        unknown = record._replace(failed=0, again=count, result=_unknown(count, k))
        records.put_result(database, unknown)
    for n in _numbers(database, "failed > 0"):
        record = records.one(database, n)
        waiting = record.again + (record.failed or 0)
        records.put_result(database, record._replace(failed=0, again=waiting))
    over = ("exit", "answers", REACHED, ONLY_CHANGED)
    database.execute("DELETE FROM job WHERE key IN (?, ?, ?, ?)", over)


def under_way(database: sqlite3.Connection) -> int:
    """The number of rows that wait for their repeat or its result."""
    (count,) = database.execute("SELECT total(again) FROM batch").fetchone()
    return int(count)


def reached(database: sqlite3.Connection, place: RowPlace) -> None:
    """Record that the failed rows up to this one are in a repeat."""
    property_table.put(database, **{REACHED: pack([place]) or b""})


def rows(database: sqlite3.Connection) -> Iterator[tuple[RowPlace, bytes]]:
    """(place, path) of every failed row that is to be repeated and is in no new batch, in path
    order."""
    after = _last_repeated(database)
    is_repeated = _is_changed if property_table.get(database, ONLY_CHANGED) else _has_failed
    n = after[0]
    # No cursor stays open between two batches, since repeats are frozen and stored meanwhile.
    while (following := _failed_of_next(database, n)) is not None:
        n, names, statuses = following
        for index, (name, code) in enumerate(zip(names, statuses, strict=True)):
            if is_repeated(code) and (n, index) > after:
                yield (n, index), name
        n += 1


def _has_failed(code: int) -> bool:
    return code != Status.OK.code


def _is_changed(code: int) -> bool:
    return code == Status.CHANGED.code


def fold_in(database: sqlite3.Connection, repeat: FrozenBatch, result: bytes) -> None:
    """Store a repeat's results in the batches of its rows. Of the repeat only its number stays."""
    repeated = recorded(repeat)._replace(result=result)
    new = repeated.rows()
    for target, images in groups(repeat.places):
        old = records.one(database, target)
        folded = fold(old.rows(), new, images)
        digests = old.digests  # unknown digests stay unknown
        if digests:
            known = repeated.digests or bytes(DIGEST_BYTES * repeated.images)
            digests = replaced(digests, known, images, DIGEST_BYTES)
        updated = old._replace(
            stamps=replaced(old.stamps, repeated.stamps, images, STAMP.size),
            digests=digests,
            result=encode_result(folded),
            flagged=records.flags_text(count_flags(folded.flags)),
            failed=(old.failed or 0)
            + sum(new.statuses[source] != Status.OK.code for source, _ in images),
            again=old.again - len(images),
        )
        records.put_files(database, updated)
        records.put_result(database, updated)
    _clear(database, repeat.n)


def _clear(database: sqlite3.Connection, n: int) -> None:
    """Delete the data of a repeat, except its number."""
    cleared = recorded(FrozenBatch(n, 0, [], []))._replace(places=b"", failed=0, result=b"")
    records.put_files(database, cleared)
    records.put_result(database, cleared)


def _numbers(database: sqlite3.Connection, where: str) -> list[int]:
    return [n for (n,) in database.execute(f"SELECT n FROM batch WHERE {where} ORDER BY n")]


def _unknown(count: int, k: int) -> bytes:
    """A placeholder result, so that a late result of the files' earlier content is rejected."""
    statuses = bytes([Status.CHANGED.code]) * count
    return encode_result(BatchResult(k, statuses, bytes(2 * count * k), bytes(4 * count * k)))


def _last_repeated(database: sqlite3.Connection) -> RowPlace:
    place = property_table.get(database, REACHED)
    return _BEFORE_ALL if place is None else unpack(place)[0]


def _failed_of_next(database: sqlite3.Connection, n: int) -> tuple[int, list[bytes], bytes] | None:
    """The first batch from `n` on with rows to repeat: its number, names and statuses."""
    record = next(records.read(database, "WHERE n >= ? AND again > 0 ORDER BY n LIMIT 1", n), None)
    if record is None:
        return None
    batch = record.rows()
    return record.n, batch.names, batch.statuses


def groups(places: Sequence[RowPlace]) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """For each batch: its number, and (index in the repeat, index in the batch) of its images."""
    for n, images in groupby(enumerate(places), key=lambda image: image[1][0]):
        yield n, [(source, place[1]) for source, place in images]
