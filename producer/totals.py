"""How far a job is: what the batches of its journal add up to.

The sums are kept beside the batches, in the transaction that changes either, so that a look at a
job costs the same whatever its size.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

from shared.errors import MISFITS

#: The property of a job that holds its sums. A journal of an older Hangtag has none.
_KEPT = "totals"


class Totals(msgspec.Struct):
    """Images of a job so far. A failed row that is being repeated is not done."""

    frozen: int = 0
    done: int = 0
    failed: int = 0
    flagged: dict[str, int] = {}  #: by flag; those that none has are left out


def keep(database: sqlite3.Connection, totals: Totals) -> None:
    """Write the sums, in the transaction that is open. Raises sqlite3.DatabaseError."""
    value = msgspec.json.encode(totals)
    database.execute("INSERT OR REPLACE INTO job VALUES (?, ?)", (_KEPT, value))


def kept(properties: Mapping[str, bytes]) -> Totals | None:
    """The sums among a job's properties; None where they were not kept, or are damaged."""
    try:
        return msgspec.json.decode(properties[_KEPT], type=Totals)
    except (KeyError, *MISFITS):
        return None


def sums(database: sqlite3.Connection) -> Totals:
    """What the batches of a journal add up to, all of which are read.

    Raises:
        sqlite3.DatabaseError: the file is damaged.
    """
    (newer,) = database.execute(
        "SELECT count(*) FROM pragma_table_info('batch') WHERE name = 'again'"
    ).fetchone()
    again, own = ("again", "places IS NULL") if newer else ("0", "1")
    row = database.execute(
        f"SELECT total(count), total(count - {again}) FILTER (WHERE result IS NOT NULL),"
        f" total(failed) FROM batch WHERE {own}"
    ).fetchone()
    flagged = database.execute(
        "SELECT key, total(value) FROM batch, json_each(flagged) WHERE flagged IS NOT NULL"
        " GROUP BY key"
    )
    frozen, done, failed = map(int, row)
    return Totals(frozen, done, failed, {key: int(count) for key, count in flagged})
