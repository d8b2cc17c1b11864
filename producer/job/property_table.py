"""The properties of a job: the journal's data beside the batches. Each has a checksum.

Every function raises sqlite3.DatabaseError if the disk is full or the file damaged.
"""

from __future__ import annotations

import sqlite3

from producer.job.sqlite_errors import blob, checksum


def put(database: sqlite3.Connection, **values: bytes) -> None:
    """Set properties, in the open transaction."""
    database.executemany(
        "INSERT OR REPLACE INTO job VALUES (?, ?, ?)",
        ((key, value, checksum(key, value)) for key, value in values.items()),
    )


def get(database: sqlite3.Connection, key: str) -> bytes | None:
    row = database.execute("SELECT key, value, crc FROM job WHERE key = ?", (key,)).fetchone()
    return None if row is None else _checked(*row)


def read(database: sqlite3.Connection) -> dict[str, bytes]:
    # All at once: the error of a damaged one would hold a cursor, and so the lock of the file.
    rows = database.execute("SELECT key, value, crc FROM job").fetchall()
    return {key: _checked(key, value, crc) for key, value, crc in rows}


def _checked(key: str, value: object, crc: int) -> bytes:
    if checksum(key, value) != crc:
        raise sqlite3.DatabaseError("a property of the job is damaged")
    return blob(value)
