"""How far a job is: what the batches of its journal add up to.

The sums are kept beside the batches, in the transaction that changes either, so that a look at a
job costs the same whatever its size.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

from producer.journal import properties
from shared.errors import MISFITS
from shared.image_status import add_flags

#: The property of a job that holds its sums.
PROPERTY = "totals"


class JobCounts(msgspec.Struct):
    """Images of a job so far."""

    found: int = msgspec.field(default=0, name="frozen")  #: in the batches so far
    done: int = 0  #: a failed row that is being repeated is not
    failed: int = 0  #: done, and without a label
    flagged: dict[str, int] = {}  #: by flag; those that none has are left out


def store_counts(database: sqlite3.Connection, totals: JobCounts) -> None:
    """Write the sums, in the transaction that is open. Raises sqlite3.DatabaseError."""
    properties.put(database, **{PROPERTY: msgspec.json.encode(totals)})


def load_counts(found: Mapping[str, bytes]) -> JobCounts:
    """The sums among a job's properties. Raises sqlite3.DatabaseError if they are damaged."""
    try:
        return msgspec.json.decode(found[PROPERTY], type=JobCounts)
    except (KeyError, *MISFITS) as error:
        raise sqlite3.DatabaseError("the job has lost its sums") from error


def sums(database: sqlite3.Connection) -> JobCounts:
    """What the batches of a journal add up to, all of which are read.

    Raises:
        sqlite3.DatabaseError: the file is damaged.
    """
    row = database.execute(
        "SELECT total(count), total(count - again) FILTER (WHERE failed IS NOT NULL),"
        " total(failed) FROM batch WHERE places IS NULL"
    ).fetchone()
    flagged = database.execute(
        "SELECT key, total(value) FROM batch, json_each(flagged) WHERE flagged IS NOT NULL"
        " GROUP BY key"
    )
    found, done, failed = map(int, row)
    # In the order of `shared/image_status.py`, whatever that of the rows is.
    return JobCounts(found, done, failed, add_flags({}, {key: int(n) for key, n in flagged}))
