"""The journal's file as SQLite sees it: what is said where it is full or damaged."""

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
