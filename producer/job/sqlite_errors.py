"""Maps SQLite's errors of the journal to error messages; checksums."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import error as StructError

from shared.errors import Damaged, SetupError, bounded

#: SQLite's codes for a damaged file. Text and numbers that cannot be decoded count as damage, too.
_DAMAGE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_CONSTRAINT,
}

#: What to do, by SQLite's code; for others, free space.
_FIXES = {
    sqlite3.SQLITE_BUSY: "end the process that locks it, or move the table from a network disk to "
    "a local one, and run again",
    sqlite3.SQLITE_CANTOPEN: "make it readable and its folder writable, or free space, run again",
    sqlite3.SQLITE_READONLY: "make it and its folder writable, run again",
}


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Raise SetupError, with what to do, for an error of SQLite in the file `path`."""
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError, StructError) as error:
        # Quoted content of a damaged file may have any character.
        text = bounded(str(error))
        if _is_damage(error):
            raise Damaged(f"{path}: {text}; start over with --restart") from error
        fix = _FIXES.get(_code(error) & 0xFF, "free space, run again")
        raise SetupError(f"{path}: {text}; {fix}") from error


def blob(cell: object) -> bytes:
    """A cell that was written as bytes; with a damaged schema it may have any type."""
    if not isinstance(cell, bytes):
        raise sqlite3.DatabaseError("a batch has lost its content")
    return cell


def checksum(*cells: object) -> int:
    """CRC-32 of cells, each with its type and length, so that shifted bytes are detected."""
    value = 0
    for cell in cells:
        data = cell if isinstance(cell, bytes) else repr(cell).encode()
        head = f"{type(cell).__name__} {len(data)} ".encode()
        value = zlib.crc32(data, zlib.crc32(head, value))
    return value


def _is_damage(error: Exception) -> bool:
    code = _code(error)
    # Without an extended code, READONLY comes from a damaged version number in the header.
    return code & 0xFF in _DAMAGE or code == sqlite3.SQLITE_READONLY


def _code(error: Exception) -> int:
    """SQLite's extended code; that of damage for another error."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT))
