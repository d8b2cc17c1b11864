"""Reads from the log of a sorted folder where files are, without its lock."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from producer.sorting.entry import COLUMNS, Entry, State, entry_of, place_hash, source_hash
from shared.errors import SetupError
from shared.labels.class_folders import SORT_LOG


class LogReader:
    """Every method raises SetupError if the log is damaged."""

    def __init__(self, out: str) -> None:
        """The log of the folder `out`, which has one."""
        self.out = os.fsencode(out)
        self._path = Path(out, SORT_LOG)
        # Not read-only where that is possible: after a crash SQLite rolls the last change back
        # first.
        writable = os.access(self._path, os.W_OK) and os.access(out, os.W_OK)
        mode = "rw" if writable else "ro&immutable=1"
        address = f"file:{quote(os.fsencode(self._path))}?mode={mode}"
        try:
            self._db = sqlite3.connect(address, uri=True, check_same_thread=False)
        except sqlite3.DatabaseError as error:
            raise self._unreadable(error) from error

    def close(self) -> None:
        self._db.close()

    def entries(self, source: bytes) -> list[tuple[str, Entry]]:
        """The entries of a source, each with its job, the newest first."""
        found = self._all(
            f"SELECT (SELECT job FROM sorting WHERE id = file.sorting), {COLUMNS} FROM file"
            " WHERE source_hash = ? AND source = ? ORDER BY sorting DESC",
            (source_hash(source), source),
        )
        return [(row[0], entry_of(row[1:])) for row in found]

    def is_placed(self, job: str, folder: str, name: bytes) -> bool:
        """Whether a job has placed this file."""
        text = (
            "SELECT 1 FROM file JOIN sorting ON id = file.sorting"
            " WHERE place = ? AND folder = ? AND name = ? AND state = ? AND job = ?"
        )
        cells = (place_hash(folder, name), folder, name, State.PLACED, job)
        return bool(self._all(text, cells))

    def _all(self, text: str, cells: tuple[object, ...]) -> list[Any]:
        try:
            return self._db.execute(text, cells).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> SetupError:
        return SetupError(
            f"{self._path}: {error}; restore it (it has the places of sorted images), and run the "
            "same command again"
        )
