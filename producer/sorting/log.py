"""The log of a sorted folder: a SQLite file in OUT, which is synced before a file is touched.

It tells what lies in OUT, where it came from, and what was under way when a process ended. A table
of any size needs no memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from producer.journal.snapshot import has_journal
from producer.output.output_path import located
from producer.sorting.entry import COLUMNS, Entry, State, Way, entry_of, place_hash, source_hash
from producer.sorting.log_file import LogFile
from producer.summary.sorted_files import undo_command
from shared.errors import UsageError


class SortLog(LogFile):
    """The entries of one folder's log. Every method raises SetupError, like those of the file."""

    @classmethod
    def copied(cls, path: Path, scratch: Path) -> SortLog:
        """A copy of a folder's log, or a new one, that can be changed without effect."""
        if path.exists():
            with cls(path) as log, closing(sqlite3.connect(scratch)) as copy, log.errors():
                log._db.backup(copy)
        return cls(scratch, create=True, out=path.parent)

    @property
    def token(self) -> str:
        """A part of the names of temporary files, which no other log has."""
        return str(self._one("SELECT token FROM log")[0])

    def sorting(self, output: str, job: str, way: Way, rule: str) -> int:
        """The number of a table in the log, which is added if it is new. A table that was moved is
        found by its job, a copy of a table is another one.

        Raises:
            UsageError: it was sorted in another way, or its rows had other folders.
        """
        before_of_job = self._all("SELECT output FROM sorting WHERE job = ?", job)
        moved = [old for (old,) in before_of_job if _is_moved(Path(old), Path(output))]
        with self.transaction():
            self._db.executemany(
                "UPDATE OR IGNORE sorting SET output = ? WHERE output = ?",
                [(output, old) for old in moved],
            )
            self._db.execute(
                "INSERT OR IGNORE INTO sorting (output, job, way, rule) VALUES (?, ?, ?, ?)",
                (output, job, way, rule),
            )
            number, *before = self._one(
                "SELECT id, job, way, rule FROM sorting WHERE output = ?", output
            )
            if before == [job, way, rule]:
                return int(number)
            if self._one("SELECT count(*) FROM file WHERE sorting = ?", number) == (0,):
                self._db.execute(
                    "UPDATE sorting SET job = ?, way = ?, rule = ? WHERE id = ?",
                    (job, way, rule, number),
                )
                return int(number)
            what = "with other labels or thresholds" if before[1] == way else f"by --{before[1]}"
            raise UsageError(
                f"{self._out} has files of this table that were sorted {what}; take them back "
                f"first with: {undo_command(self._out)}"
            )

    def tables(self) -> list[str]:
        """The tables that were sorted into this folder."""
        return [row[0] for row in self._all("SELECT output FROM sorting ORDER BY id")]

    def rows(self, sorting: int, start: int, stop: int) -> set[int]:
        """The rows of a range that have an entry."""
        text = "SELECT row FROM file WHERE sorting = ? AND row >= ? AND row < ?"
        return {row[0] for row in self._all(text, sorting, start, stop)}

    def counts(self, sorting: int) -> dict[str, int]:
        """The number of files of a table by folder."""
        text = "SELECT folder, count(*) FROM file WHERE sorting = ? GROUP BY folder"
        return dict(self._all(text, sorting))

    def open_entries(self) -> list[Entry]:
        """What was under way when a process ended; at most a batch."""
        text = f"SELECT {COLUMNS} FROM file WHERE state != {State.PLACED.value}"  # has an index
        return [entry_of(row) for row in self._all(text)]

    def last_placed(self, limit: int, before: tuple[int, int] | None) -> list[Entry]:
        """Up to `limit` entries before a key, the last one first."""
        sorting, row = before or (1 << 62, 0)
        text = (
            f"SELECT {COLUMNS} FROM file WHERE state = ? AND (sorting, row) < (?, ?)"
            " ORDER BY sorting DESC, row DESC LIMIT ?"
        )
        return [entry_of(row) for row in self._all(text, State.PLACED, sorting, row, limit)]

    def count(self) -> int:
        """The number of all entries."""
        return int(self._one("SELECT count(*) FROM file")[0])

    def next_serial(self, folder: str, name: bytes) -> int:
        """The number for the next file that would have this name; 1 means the name itself."""
        text = "SELECT max(serial) FROM file WHERE wanted = ?"
        return int(self._one(text, place_hash(folder, name))[0] or 0) + 1

    def is_taken(self, folder: str, name: bytes) -> bool:
        """Whether a name, or one that is equal but for case, has an entry."""
        found = self._one("SELECT count(*) FROM file WHERE place = ?", place_hash(folder, name))
        return bool(found[0])

    def is_source(self, path: bytes) -> bool:
        """Whether a file was at this path before it was placed."""
        text = "SELECT count(*) FROM file WHERE source_hash = ? AND source = ?"
        return bool(self._one(text, source_hash(path), path)[0])

    def add(self, entry: Entry, wanted: bytes, serial: int) -> None:
        """Add an entry, in the open transaction. `wanted` is its name without number."""
        cells = (
            *entry[:7], *entry.content, entry.inode, source_hash(entry.source),
            place_hash(entry.folder, entry.name), place_hash(entry.folder, wanted), serial,
        )  # fmt: skip
        self._db.execute(f"INSERT INTO file VALUES ({', '.join('?' * len(cells))})", cells)

    def add_folder(self, folder: str) -> None:
        """Record a folder that is about to be made, in the open transaction."""
        self._db.execute("INSERT OR IGNORE INTO made VALUES (?)", (folder,))

    def made(self) -> list[str]:
        """The folders that were made, OUT last."""
        return [row[0] for row in self._all("SELECT folder FROM made ORDER BY folder DESC")]

    def mark(self, entries: Iterable[Entry], state: State) -> None:
        """Set the state of entries, in the open transaction."""
        self._db.executemany(
            "UPDATE file SET state = ? WHERE sorting = ? AND row = ?",
            ((state, *entry.key) for entry in entries),
        )

    def forget(self, entries: Iterable[Entry]) -> None:
        """Remove entries, in the open transaction."""
        self._db.executemany(
            "DELETE FROM file WHERE sorting = ? AND row = ?", (entry.key for entry in entries)
        )


def _is_moved(old: Path, new: Path) -> bool:
    """Whether a table of the same job is the one at `new` now; not if it is a copy."""
    return located(old) == new or not has_journal(old)
