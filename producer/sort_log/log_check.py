"""Checks the log of a sorted folder before anything in it is believed.

Users who can write to the folder can write the log. SQLite itself trusts the files beside a
database: a journal can name another file, which SQLite removes after it has rolled that journal
back.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from producer.sort_log.entry import ENTRY_CELLS, Entry, Malformed, entry_of, is_name
from producer.sort_log.log_tables import (
    SEALED,
    TABLES,
    TOKEN,
    VERSION,
    added,
    has_tables,
    seal,
)
from shared import regular_file
from shared.errors import SetupError, bounded

_MAGIC = b"SQLite format 3\0"
#: The header's two version numbers while there is no write-ahead log.
_ROLLBACK = b"\1\1"
_HEAD_BYTES = 20
#: Ends a journal that names another file.
_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")
#: SQLite's codes for what a user repairs with a disk; others are damage.
_OF_DISK = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
}


#: Cells of a row without its checksum.
_WIDTH = {"sorting": 5, "made": 1, "file": 14}


FIX = "restore it (it has the places of sorted images), and run the same command again"


class Mismatch(sqlite3.DatabaseError):
    """A part of the log is not as it was written; the text names it."""


@contextmanager
def log_errors(path: Path) -> Iterator[None]:
    """Convert SQLite's errors in a log to SetupError."""
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite quotes what it reads
        text = bounded(str(error))
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _OF_DISK:
            fix = "no file is lost: free space or repair the disk, and run the same command again"
        else:
            fix = FIX
        raise SetupError(f"{path}: {text}; {fix}") from error


def check_files(path: Path) -> None:
    """Check what SQLite would open, before it does.

    Raises:
        SetupError: it is no log, or the files beside it are not those that a log has.
    """
    with log_errors(path):
        head = _read(path, 0, _HEAD_BYTES)
        if head and (not head.startswith(_MAGIC) or head[18:20] != _ROLLBACK):
            raise Mismatch("it is no log of a sorted folder")
        journal = Path(f"{path}-journal")
        if os.path.lexists(journal):
            size = len(_NAMES_ANOTHER)
            if _read(journal, -size, size) == _NAMES_ANOTHER:
                raise Mismatch("its journal names another file")
        for suffix in ("-wal", "-shm"):
            if os.path.lexists(f"{path}{suffix}"):
                raise Mismatch(f"{path.name}{suffix} is beside it, which no log has")


def _read(path: Path, start: int, count: int) -> bytes:
    """Bytes of a regular file; a negative start is from its end. Raises SetupError."""
    try:
        fd = regular_file.open_fd(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}; {FIX}") from None
    try:
        end = os.fstat(fd).st_size
        return os.pread(fd, count, start if start >= 0 else max(0, end + start))
    finally:
        os.close(fd)


def check_tables(database: sqlite3.Connection, path: Path) -> None:
    """Check that it has a log's tables.

    Raises:
        SetupError: a later version wrote it.
        sqlite3.DatabaseError: it is damaged.
    """
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if has_tables(database, TABLES) and version == VERSION:
        return
    if version > VERSION and not has_tables(database, TABLES):
        raise SetupError(f"{path} was written by another version of Hangtag; use that")
    raise Mismatch("its tables are not those of a log")


def token_of(database: sqlite3.Connection) -> str:
    """The log's part of temporary names. Raises sqlite3.DatabaseError."""
    rows = database.execute("SELECT token FROM log").fetchall()
    if len(rows) != 1 or not isinstance(rows[0][0], str) or not TOKEN.fullmatch(rows[0][0]):
        raise Mismatch("its first row is damaged")
    return rows[0][0]


def check_rows(database: sqlite3.Connection, token: str) -> tuple[int, int]:
    """Check SQLite's own structure and all rows; returns their number and the sum of their
    checksums.

    Raises:
        sqlite3.DatabaseError: a row is damaged, missing or of another log.
    """
    (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise Mismatch(str(verdict).splitlines()[-1])
    rows = total = 0
    for table in SEALED:
        for row in database.execute(f"SELECT * FROM {table}"):
            cells_in(token, table, row)
            rows, total = rows + 1, added(total, row[-1])
    head = database.execute("SELECT * FROM log").fetchone()
    if seal(token, "log", *head[:-1]) != head[-1]:
        raise Mismatch("its first row is damaged")
    if head[2:4] != (rows, total):
        raise Mismatch(f"it has {rows:,} rows, and not the {head[2]:,} that were written")
    return rows, total


def entry_in(token: str, row: tuple[Any, ...]) -> Entry:
    """The entry in a row of `file`. Raises Mismatch."""
    return entry_of(cells_in(token, "file", row)[:ENTRY_CELLS])


def job_in(token: str, row: tuple[Any, ...] | None) -> str:
    """The job in a row of `sorting`. Raises Mismatch."""
    if row is None:
        raise Mismatch("a table is missing")
    return str(cells_in(token, "sorting", row)[2])


def cells_in(token: str, table: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The cells of a row without its checksum. Raises Mismatch if it is damaged, or leads out of
    the folder."""
    cells = row[: _WIDTH[table]]
    if seal(token, table, *cells) != row[-1]:
        raise Mismatch(f"{_named(table, row)} is damaged, or of another log")
    try:
        _check_form(table, cells)
    except Malformed as error:
        raise Mismatch(f"{_named(table, row)} {error}") from None
    return cells


#: The types of the cells of table `sorting`.
_SORTING = [int, str, str, str, str]


def _check_form(table: str, cells: tuple[Any, ...]) -> None:
    """Raises Malformed for cells that lead out of the folder, or have another type."""
    if table == "file":
        entry_of(cells[:ENTRY_CELLS])
    elif table == "made":
        (folder,) = cells
        if not isinstance(folder, str) or not (folder == "" or is_name(os.fsencode(folder))):
            raise Malformed("is no name of a folder")
    elif [type(cell) for cell in cells] != _SORTING:
        raise Malformed("has a cell of another type")


def _from_one(row: object) -> object:
    """The number of a row for people, as on every page; logs count rows from 0."""
    return row + 1 if isinstance(row, int) else row


def _named(table: str, row: tuple[Any, ...]) -> str:
    """A row, for people."""
    if table == "file":
        return f"the entry of row {_from_one(row[1])!r:.40} of table {row[0]!r:.40}"
    return f"the entry of {'table' if table == 'sorting' else 'folder'} {row[0]!r:.80}"
