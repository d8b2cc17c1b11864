"""The file of a sorted folder's log: its lock, its transactions, its errors."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from producer.sort_log.log_check import (
    FIX,
    Mismatch,
    check_files,
    check_rows,
    check_tables,
    log_errors,
    token_of,
)
from producer.sort_log.log_tables import TABLES, VERSION, added, seal
from shared import atomic_file, file_lock, regular_file
from shared.errors import SetupError, UsageError
from shared.failpoints import failpoint
from shared.labels.class_folders import SORT_LOG


class New(NamedTuple):
    """What a new log has."""

    token: str = ""  #: empty: none can be new
    made_out: bool = False  #: whether its folder is new, too


NOT_NEW = New()


class LogFile:
    """The log of one folder, held by this process until it is closed.

    Every method raises SetupError if the disk is full or the file is damaged; what was committed
    stays.
    """

    def __init__(
        self, path: Path, new: New = NOT_NEW, create: bool = False, out: Path | None = None
    ) -> None:
        """The log of the folder `out`, by default that of the file; `new` is what an empty one
        gets.

        Raises:
            UsageError: another process holds it, or there is none and not `create`.
            SetupError: it is damaged, or empty and `new` has no token.
        """
        self.path, self._out = path, out or path.parent
        self._rows = self._total = 0
        self._lock = _take(path, create)
        try:
            check_files(path)
            self._db = sqlite3.connect(path, isolation_level=None)
        except BaseException:
            os.close(self._lock)
            raise
        try:
            self._prepare(new)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._db.close()
        journal = Path(f"{self.path}-journal")
        with suppress(OSError):
            if not journal.stat().st_size:  # nothing to roll back
                journal.unlink()
        os.close(self._lock)

    def remove(self) -> None:
        """Delete the file, which has no entries left."""
        for suffix in ("-journal", ""):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        atomic_file.sync_folder(self.path.parent)
        failpoint("sort.log-removed")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes of the block or none, synced when it ends."""
        before = self._rows, self._total
        with self.errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                if (self._rows, self._total) != before:
                    self._put_head(self.base)
                self._db.execute("COMMIT")
            except BaseException:
                self._rows, self._total = before
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        failpoint("sort.logged")

    @property
    def base(self) -> bytes | None:
        """The folder that --back-to replaces; None before it was used."""
        base: bytes | None = self._one("SELECT base FROM log")[0]
        return base

    def _prepare(self, new: New) -> None:
        with self.errors():
            # A write-ahead log needs shared memory, which many removable and network disks lack.
            self._db.execute("PRAGMA journal_mode=TRUNCATE")
            self._db.execute("PRAGMA synchronous=FULL")
            if self._one("SELECT count(*) FROM sqlite_master") == (0,):
                if not new.token:
                    raise Mismatch("it is empty")
                self._create(new)
            check_tables(self._db, self.path)
            self.token = token_of(self._db)
            self._rows, self._total = check_rows(self._db, self.token)

    def _create(self, new: New) -> None:
        self.token = new.token
        with self.transaction():
            for table in TABLES:
                self._db.execute(table)
            self._db.execute(f"PRAGMA user_version={VERSION}")
            self._put_head(None)
            if new.made_out:
                self._put("made", "")
        atomic_file.sync_folder(self.path.parent)

    def _put(self, table: str, *cells: object) -> None:
        """Add a row with its checksum, in the open transaction."""
        mark = seal(self.token, table, *cells)
        places = ", ".join("?" * (len(cells) + 1))
        self._db.execute(f"INSERT INTO {table} VALUES ({places})", (*cells, mark))
        self._count(1, mark)

    def _drop(self, table: str, where: str, *key: object) -> list[tuple[Any, ...]]:
        """Remove rows, in the open transaction; returns their cells."""
        rows = self._all(f"SELECT * FROM {table} WHERE {where}", *key)
        self._db.execute(f"DELETE FROM {table} WHERE {where}", key)
        for *_, mark in rows:
            self._count(-1, -mark)
        return [tuple(row[:-1]) for row in rows]

    def _count(self, rows: int, mark: int) -> None:
        """Note rows that were added (negative: removed), and the sum of their checksums."""
        self._rows, self._total = self._rows + rows, added(self._total, mark)

    def _put_head(self, base: bytes | None) -> None:
        head = self.token, base, self._rows, self._total
        mark = seal(self.token, "log", *head)
        self._db.execute("DELETE FROM log")
        self._db.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?)", (*head, mark))

    def _one(self, text: str, *values: object) -> Any:
        return next(iter(self._all(text, *values)))

    def _all(self, text: str, *values: object) -> list[Any]:
        with self.errors():
            return self._db.execute(text, values).fetchall()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Convert SQLite's errors to SetupError."""
        with log_errors(self.path):
            yield


def _take(path: Path, create: bool) -> int:
    while file_lock.lost(path, fd := _try(path, create)):
        os.close(fd)  # its holder removed the file before releasing it
    return fd


def _try(path: Path, create: bool) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    try:
        fd = regular_file.open_fd(path, flags)
    except FileNotFoundError:
        raise UsageError(f"{path.parent} has no {SORT_LOG}: nothing was sorted into it") from None
    except OSError as error:
        fix = "choose another --into" if create else FIX
        raise SetupError(f"{path}: {error.strerror}; {fix}") from None
    failpoint("sort.log-created")
    if not file_lock.try_acquire(fd):
        os.close(fd)
        raise UsageError(f"another hangtag sort runs in {path.parent}; wait for it to end")
    return fd
