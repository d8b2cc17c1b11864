"""The file of a sorted folder's log: its lock, its transactions, its errors."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from producer.journal import journal_lock
from producer.sorting.entry import TABLES, VERSION
from shared import atomic_file, file_lock
from shared.errors import SetupError, UsageError
from shared.failpoints import failpoint
from shared.labels.class_folders import SORT_LOG


class LogFile:
    """The log of one folder, held by this process until it is closed.

    Every method raises SetupError if the disk is full or the file is damaged; what was committed
    stays.
    """

    def __init__(self, path: Path, create: bool = False, out: Path | None = None) -> None:
        """The log of the folder `out`, by default that of the file.

        Raises:
            UsageError: another process holds it, or there is none and not `create`.
        """
        self.path, self._out = path, out or path.parent
        self._lock = _take(path, create)
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            self._prepare()
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
        with self.errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        failpoint("sort.logged")

    def _prepare(self) -> None:
        with self.errors():
            # A write-ahead log needs shared memory, which many removable and network disks lack.
            self._db.execute("PRAGMA journal_mode=TRUNCATE")
            self._db.execute("PRAGMA synchronous=FULL")
            if self._one("PRAGMA user_version") == (0,):
                self._create()
            if self._one("PRAGMA user_version") != (VERSION,):
                raise SetupError(f"{self.path} was written by another version of Hangtag; use that")

    def _create(self) -> None:
        with self.transaction():
            for table in TABLES:
                self._db.execute(table)
            self._db.execute("INSERT INTO log VALUES (?)", (secrets.token_hex(4),))
            self._db.execute(f"PRAGMA user_version={VERSION}")
        atomic_file.sync_folder(self.path.parent)

    def _one(self, text: str, *values: object) -> Any:
        return next(iter(self._all(text, *values)))

    def _all(self, text: str, *values: object) -> list[Any]:
        with self.errors():
            return self._db.execute(text, values).fetchall()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Convert SQLite's errors to SetupError."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            text = "".join(c if c.isprintable() else "?" for c in str(error))
            raise SetupError(
                f"{self.path}: {text}; no file is lost: free space or repair the disk, and run "
                "the same command again"
            ) from error


def _take(path: Path, create: bool) -> int:
    while True:
        fd = _try(path, create)
        if not journal_lock.lost(path, fd):
            return fd
        os.close(fd)  # its holder removed the file before releasing it


def _try(path: Path, create: bool) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    try:
        fd = os.open(path, flags, 0o600)
    except FileNotFoundError:
        raise UsageError(f"{path.parent} has no {SORT_LOG}: nothing was sorted into it") from None
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}; choose another --into") from None
    failpoint("sort.log-created")
    if not file_lock.try_acquire(fd):
        os.close(fd)
        raise UsageError(f"another hangtag sort is at work in {path.parent}; wait for it to end")
    return fd
