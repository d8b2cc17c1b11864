"""The journal's file as SQLite sees it: its tables, and what is said where it is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import error as StructError

from shared.errors import SetupError

#: SQLite's codes for a file that is not (any more) what we wrote; text and numbers that cannot be
#: read back say the same.
_DAMAGE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_CONSTRAINT,
}
TABLES = """
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
#: What a journal of schema 2 lacks.
FROM_2 = """
ALTER TABLE batch ADD COLUMN digests BLOB;
ALTER TABLE batch ADD COLUMN places BLOB;
ALTER TABLE batch ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
"""


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """What SQLite says of the file `path` becomes a SetupError with its cure."""
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError, StructError) as error:
        cure = "run again with --restart" if _is_damage(error) else "free space, run again"
        # What is quoted of a damaged file may hold any character.
        text = "".join(c if c.isprintable() else "?" for c in str(error))
        raise SetupError(f"{path}: {text}; {cure}") from error


def blob(cell: object) -> bytes:
    """A cell that was written as bytes: a damaged schema may have it be anything."""
    if not isinstance(cell, bytes):
        raise sqlite3.DatabaseError("a batch has lost its content")
    return cell


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF in _DAMAGE
