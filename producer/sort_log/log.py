"""The log of a sorted folder: a SQLite file in OUT, which is synced before a file is touched.

It records what lies in OUT, where it came from, and what was under way when a process ended. A
table of any size needs no memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from producer.journal.snapshot import has_journal
from producer.output.output_path import located
from producer.sort_log.entry import Entry, State, Way, place_hash, source_hash
from producer.sort_log.log_check import cells_in, entry_in
from producer.sort_log.log_file import LogFile, New
from producer.sort_log.log_tables import added, new_token, seal
from producer.summary.sorted_files import undo_command
from shared.errors import UsageError

_KEY = "sorting = ? AND row = ?"
_STATE = Entry._fields.index("state")


class SortLog(LogFile):
    """The entries of one folder's log. Every method raises SetupError, like those of the file."""

    @classmethod
    def copied(cls, path: Path, scratch: Path, left: New) -> SortLog:
        """A copy of a folder's log, or a new one, that can be changed without effect. `left` is
        what an empty log gets."""
        if path.exists():
            with cls(path, left) as log, closing(sqlite3.connect(scratch)) as copy, log.errors():
                log._db.backup(copy)
        return cls(scratch, New(new_token()), create=True, out=path.parent)

    def sorting(self, output: str, job: str, way: Way, rule: str) -> int:
        """The number of a table in the log, which is added if it is new. A table that was moved is
        found by its job, a copy of a table is another one.

        Raises:
            UsageError: it was sorted in another way, or its rows had other folders.
        """
        before_of_job = self._all("SELECT output FROM sorting WHERE job = ?", job)
        moved = [old for (old,) in before_of_job if _is_moved(Path(old), Path(output))]
        with self.transaction():
            for old in moved:
                if not self._all("SELECT 1 FROM sorting WHERE output = ?", output):
                    (cells,) = self._drop("sorting", "output = ?", old)
                    self._put("sorting", cells[0], output, *cells[2:])
            before = self._all("SELECT id, job, way, rule FROM sorting WHERE output = ?", output)
            for number, *what in before:  # at most one
                if what == [job, way, rule]:
                    return int(number)
                if self.counts(number):
                    raise self._sorted_otherwise(what[1], way)
                self._drop("sorting", "id = ?", number)
            (number,) = self._one("SELECT coalesce(max(id), 0) + 1 FROM sorting")
            self._put("sorting", number, output, job, str(way), rule)
            return int(number)

    def _sorted_otherwise(self, before: str, way: Way) -> UsageError:
        what = (
            "with other labels or thresholds, or before an update"
            if before == way
            else f"by --{before}"
        )
        return UsageError(
            f"{self._out} has files of this table that were sorted {what}; take them back "
            f"first with: {undo_command(self._out)}"
        )

    def sources(self) -> Iterator[bytes]:
        """Where every file came from."""
        with self.errors():
            for (source,) in self._db.execute("SELECT source FROM file"):
                yield source

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
        return self._entries(f"state != {State.PLACED.value}")  # has an index

    def last_placed(self, limit: int, before: tuple[int, int] | None) -> list[Entry]:
        """Up to `limit` entries before a key, the last one first."""
        sorting, row = before or (1 << 62, 0)
        where = "state = ? AND (sorting, row) < (?, ?) ORDER BY sorting DESC, row DESC LIMIT ?"
        return self._entries(where, State.PLACED, sorting, row, limit)

    def _entries(self, where: str, *values: object) -> list[Entry]:
        """Each is checked again: not every program that can write the log minds its lock."""
        with self.errors():
            rows = self._all(f"SELECT * FROM file WHERE {where}", *values)
            return [entry_in(self.token, row) for row in rows]

    def count(self) -> int:
        """The number of all entries."""
        return int(self._one("SELECT count(*) FROM file")[0])

    def next_serial(self, folder: str, name: bytes) -> int:
        """The number for the next file that would have this name; 1 means the name itself."""
        text = "SELECT max(serial) FROM file WHERE wanted = ?"
        return int(self._one(text, place_hash(folder, name))[0] or 0) + 1

    def is_taken(self, folder: str, name: bytes) -> bool:
        """Whether a name, or one that is equal but for case, has an entry."""
        (count,) = self._one("SELECT count(*) FROM file WHERE place = ?", place_hash(folder, name))
        return bool(count)

    def is_source(self, path: bytes) -> bool:
        """Whether a file was at this path before it was placed."""
        text = "SELECT count(*) FROM file WHERE source_hash = ? AND source = ?"
        return bool(self._one(text, source_hash(path), path)[0])

    def add(self, entry: Entry, wanted: bytes, serial: int) -> None:
        """Add an entry, in the open transaction. `wanted` is its name without number."""
        self._put(
            "file", *_cells(entry), source_hash(entry.source),
            place_hash(entry.folder, entry.name), place_hash(entry.folder, wanted), serial,
        )  # fmt: skip

    def add_folder(self, folder: str) -> None:
        """Record a folder that is about to be made, in the open transaction."""
        if not self._all("SELECT 1 FROM made WHERE folder = ?", folder):
            self._put("made", folder)

    def set_base(self, base: bytes) -> None:
        """Record the folder that --back-to replaces."""
        with self.transaction():
            self._put_head(base)

    def made(self) -> list[str]:
        """The folders that were made, OUT last."""
        with self.errors():
            rows = self._all("SELECT * FROM made ORDER BY folder DESC")
            return [cells_in(self.token, "made", row)[0] for row in rows]

    def mark(self, entries: Iterable[Entry], state: State) -> None:
        """Set the state of entries, in the open transaction."""
        for entry in entries:
            for *cells, before in self._all(f"SELECT * FROM file WHERE {_KEY}", *entry.key):
                cells[_STATE] = int(state)
                after = seal(self.token, "file", *cells)
                self._count(0, added(after, -before))
                self._db.execute(
                    f"UPDATE file SET state = ?, seal = ? WHERE {_KEY}",
                    (int(state), after, *entry.key),
                )

    def forget(self, entries: Iterable[Entry]) -> None:
        """Remove entries, in the open transaction."""
        for entry in entries:
            self._drop("file", _KEY, *entry.key)


def _cells(entry: Entry) -> tuple[object, ...]:
    """The values of COLUMNS, in the types that SQLite returns."""
    sorting, row, way, state, *rest = entry[:7]
    return (sorting, row, str(way), int(state), *rest, *entry.content, entry.inode)


def _is_moved(old: Path, new: Path) -> bool:
    """Whether a table of the same job is the one at `new` now; not if it is a copy."""
    return located(old) == new or not has_journal(old)
