"""The tables of a journal."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from producer.job import property_table
from producer.job.sqlite_errors import blob
from producer.job.totals import JobCounts, store_counts

#: The property with the number of the format. What an earlier Hangtag would misread raises it: it
#: passes over properties that it does not know.
PROPERTY = "schema"
NOW = b"8"
#: What 0.2.0 wrote, which is read: tables in CSV, in other forms, and those brought up to date.
OF_0_2_0 = (b"5", b"6", b"7")
#: The small columns of a batch come first: a query that needs only these reads no overflow page.
_TABLES = (
    """
CREATE TABLE job (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    crc INTEGER NOT NULL        -- of key and value
) WITHOUT ROWID
""",
    """
CREATE TABLE batch (
    n INTEGER PRIMARY KEY,
    argument INTEGER NOT NULL,  -- the argument (or line of a list) of the last file
    count INTEGER NOT NULL,
    failed INTEGER,             -- number without a label; NULL while there is no result
    flagged TEXT,               -- JSON: number with each flag; NULL if there are none
    again INTEGER NOT NULL,     -- number that failed and are being repeated
    files_crc INTEGER NOT NULL,  -- of n, argument, count, names, stamps, digests, places
    result_crc INTEGER NOT NULL,  -- of n, failed, flagged, again, result
    names BLOB NOT NULL,        -- the files' paths, separated by NUL
    stamps BLOB NOT NULL,       -- size and modification time of each
    digests BLOB NOT NULL,      -- CRC-32 of each file's bytes; empty if unknown
    places BLOB,                -- of a repeat: the row of each; NULL for other batches
    result BLOB
)
""",
)


def prepare(database: sqlite3.Connection) -> None:
    """Make commits durable, check SQLite's own structure, and create missing tables.

    Raises:
        sqlite3.DatabaseError: the disk is full or the file damaged.
    """
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    check_structure(database)
    database.execute("BEGIN IMMEDIATE")
    if database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
        for table in _TABLES:
            database.execute(table)
        property_table.put(database, **{PROPERTY: NOW})
        store_counts(database, JobCounts())
    # Changes nothing, and fails if a damaged header forbids writing.
    database.execute("DELETE FROM job WHERE key IS NULL")
    database.execute("COMMIT")


def clear(database: sqlite3.Connection) -> None:
    """Delete all batches and properties, in the open transaction.

    Raises:
        sqlite3.DatabaseError: the disk is full or the file damaged.
    """
    database.execute("DELETE FROM batch")
    database.execute("DELETE FROM job")
    property_table.put(database, **{PROPERTY: NOW})


def check_structure(database: sqlite3.Connection) -> None:
    """Find what no checksum of a record detects: records that are missing or out of order.

    Raises:
        sqlite3.DatabaseError: the file is damaged.
    """
    (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict.splitlines()[-1])


def foreign_version(database: sqlite3.Connection, path: Path) -> str:
    """Why this Hangtag cannot read the tables, with the remedy; empty if it can.

    Raises:
        sqlite3.DatabaseError: the file is damaged.
    """
    row = database.execute("SELECT value FROM job WHERE key = ?", (PROPERTY,)).fetchone()
    version = b"" if row is None else blob(row[0])
    if version in (NOW, *OF_0_2_0):
        return ""
    writer = f"{path} was written by another version of Hangtag"
    return f"{writer}; use that version here, or start over with --restart"
