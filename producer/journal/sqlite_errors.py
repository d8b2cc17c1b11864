"""The journal's file as SQLite sees it: what is said where it is full or damaged."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import error as StructError

from shared.errors import Damaged, SetupError

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
    """What SQLite says of the file `path` becomes a SetupError that says what to do."""
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError, StructError) as error:
        # What is quoted of a damaged file may hold any character.
        text = "".join(c if c.isprintable() else "?" for c in str(error))
        if _is_damage(error):
            raise Damaged(f"{path}: {text}; run again with --restart") from error
        raise SetupError(f"{path}: {text}; free space, run again") from error


def blob(cell: object) -> bytes:
    """A cell that was written as bytes: a damaged schema may have it be anything."""
    if not isinstance(cell, bytes):
        raise sqlite3.DatabaseError("a batch has lost its content")
    return cell


def checksum(*cells: object) -> int:
    """CRC-32 of cells, each with its type and length: no byte can move from one to the next."""
    value = 0
    for cell in cells:
        data = cell if isinstance(cell, bytes) else repr(cell).encode()
        head = f"{type(cell).__name__} {len(data)} ".encode()
        value = zlib.crc32(data, zlib.crc32(head, value))
    return value


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    # Our descriptor may write: so it is the file's header that says otherwise.
    return code & 0xFF in _DAMAGE or code == sqlite3.SQLITE_READONLY
