"""How far a job is: what the batches of its journal add up to."""

from __future__ import annotations

import sqlite3

import msgspec


class Totals(msgspec.Struct):
    """Images of a job so far. A failed row that is being repeated is not done."""

    frozen: int = 0
    done: int = 0
    failed: int = 0
    flagged: dict[str, int] = {}  #: by flag; those that none has are left out


def sums(database: sqlite3.Connection) -> Totals:
    """What the batches of a journal add up to. Raises sqlite3.DatabaseError."""
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
