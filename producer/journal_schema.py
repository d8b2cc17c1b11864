"""The tables of a journal, and how those of earlier schemas are taken over."""

from __future__ import annotations

import sqlite3

from shared.crash_point import passed

#: The schema that this Hangtag writes, as the property `schema` of a job has it.
NOW = b"4"
_TABLES = """
CREATE TABLE IF NOT EXISTS job (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch (
    n INTEGER PRIMARY KEY,
    argument INTEGER NOT NULL,  -- the argument (or line of a list) of the last file
    count INTEGER NOT NULL,
    names BLOB NOT NULL,        -- the files' paths, separated by NUL
    stamps BLOB NOT NULL,       -- size and modification time of each
    failed INTEGER,             -- how many have no label; NULL while there is no result
    flagged TEXT,               -- JSON: how many have each flag; NULL where none has
    result BLOB,
    digests BLOB,               -- CRC-32 of each file's bytes; NULL or empty: not known
    places BLOB,                -- of a repeat: the row of each; NULL where they are its own
    again INTEGER NOT NULL DEFAULT 0  -- how many failed and are being done again
);
CREATE INDEX IF NOT EXISTS open_batches ON batch (n) WHERE result IS NULL;
"""
_FROM_2 = """
ALTER TABLE batch ADD COLUMN digests BLOB;
ALTER TABLE batch ADD COLUMN places BLOB;
ALTER TABLE batch ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
"""
#: What journals of earlier schemas lack. One of schema 3 has no running totals, and its Hangtag
#: would not keep them right.
_LACKS = {b"2": _FROM_2, b"3": ""}
#: Schemas that can be read.
KNOWN = frozenset({*_LACKS, NOW})
_IS_NOW = f"UPDATE job SET value = CAST('{NOW.decode()}' AS BLOB) WHERE key = 'schema'"


def prepare(database: sqlite3.Connection) -> None:
    """Have commits be on the disk, and make tables that are not there.

    Raises:
        sqlite3.DatabaseError: the disk is full or the file damaged.
    """
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.executescript(_TABLES)


def take_over(database: sqlite3.Connection, schema: bytes) -> None:
    """Make an earlier schema that is known the one of now.

    Raises:
        sqlite3.DatabaseError: the disk is full or the file damaged.
    """
    database.executescript(f"BEGIN IMMEDIATE; {_LACKS[schema]} {_IS_NOW}; COMMIT;")
    passed("journal.taken-over")
