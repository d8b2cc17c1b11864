"""Reads the log of a sorted folder while others may write it."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from urllib.parse import quote

from producer.sort_log.entry import Entry, State, place_hash, source_hash
from producer.sort_log.log_check import (
    check_files,
    check_tables,
    entry_in,
    job_in,
    log_errors,
    token_of,
)
from shared.labels.class_folders import SORT_LOG


class LogReader:
    """The log of a sorted folder, read without its lock, by one thread at a time. Raises SetupError
    if it is damaged."""

    def __init__(self, out: str) -> None:
        """The log of the folder `out`, which has one."""
        self.out, self._lock = os.fsencode(out), threading.Lock()
        self._path = Path(out, SORT_LOG)
        check_files(self._path)
        # Not read-only where that is possible: after a crash SQLite rolls the last change back
        # first.
        writable = os.access(self._path, os.W_OK) and os.access(out, os.W_OK)
        mode = "rw" if writable else "ro&immutable=1"
        address = f"file:{quote(os.fsencode(self._path))}?mode={mode}"
        with log_errors(self._path):
            self._db = sqlite3.connect(address, uri=True, check_same_thread=False)
        try:
            with log_errors(self._path):
                check_tables(self._db, self._path)
                self._token = token_of(self._db)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._db.close()

    def entries(self, source: bytes) -> list[tuple[str, Entry]]:
        """The entries of a source, each with its job, the newest first."""
        where = "source_hash = ? AND source = ? ORDER BY sorting DESC"
        return self._all(where, source_hash(source), source)

    def is_placed(self, job: str, path: bytes) -> bool:
        """Whether a job has placed this file."""
        folder, _, name = path.removeprefix(self.out + b"/").rpartition(b"/")
        # The folder of a file elsewhere is no label: it is empty, has a slash, or is no UTF-8.
        where = "place = ? AND folder = CAST(? AS TEXT) AND name = ? AND state = ?"
        cells = place_hash(os.fsdecode(folder), name), folder, name, State.PLACED
        return any(of == job for of, _ in self._all(where, *cells))

    def _all(self, where: str, *values: object) -> list[tuple[str, Entry]]:
        """Entries, each with its job."""
        with self._lock, log_errors(self._path):
            rows = self._db.execute(f"SELECT * FROM file WHERE {where}", values).fetchall()
            entries = [entry_in(self._token, row) for row in rows]
            return [(self._job(entry.sorting), entry) for entry in entries]

    def _job(self, sorting: int) -> str:
        row = self._db.execute("SELECT * FROM sorting WHERE id = ?", (sorting,)).fetchone()
        return job_in(self._token, row)
