"""Where the files of rows are now: `hangtag sort` may have moved them.

TABLE.sorted names, one a line, the folders that files of a table were sorted into; their logs tell
the rest. A table that was never sorted costs one look for that file. The entries of a table are
those of its job: another job may have classified other files with the same names.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from producer.inputs.job_options import JobOptions
from producer.journal.job_index import entries
from producer.journal.snapshot import read_snapshot
from producer.pages.file_location import FileLocation
from producer.sorting.entry import Entry, State, Way, place_hash, source_hash
from producer.sorting.log_check import (
    check_files,
    entry_in,
    job_in,
    log_errors,
    token_of,
    version_of,
)
from shared import atomic_file, file_lock, regular_file
from shared.errors import SetupError
from shared.failpoints import failpoint
from shared.labels.class_folders import SORT_LOG

SUFFIX = ".sorted"
_REMEDY = "fix this, or copy the table and its journal to a folder that can be written"


class MovedFiles:
    """Finds files through the logs of sorted folders, also for several threads."""

    def __init__(self, tables: Iterable[Path], table: Path | None = None) -> None:
        """Opens the logs that these tables name; with `table` for the files of its job only."""
        self._skip = table is None  #: unreadable logs, which may be of other tables
        outs = dict.fromkeys(out for one in tables for out in self._sorted_into(one))
        self._logs = [log for out in outs if (log := self._opened(out)) is not None]
        view = read_snapshot(table) if table and self._logs else None
        self._job = view.job if view else ""

    def __enter__(self) -> MovedFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for log in self._logs:
            log.close()

    def now(self, path: bytes) -> bytes:
        """Where a file is now that was once at `path`; the same path if no log knows better.

        A file that the table's job has moved is where it was moved to, even if another has its old
        name today. Any other file is at its old name, as long as there is one.
        """
        return self._found(_resolved(path)) or path if self._logs else path

    def location(self, options: JobOptions) -> FileLocation:
        """The files of a job's rows, where they are now."""
        return FileLocation(options, partial(self.of_row, options.cwd))

    def of_row(self, cwd: bytes, name: bytes) -> bytes | None:
        """Where the file of a row was moved to; None if it was not. `name` is its path in the
        table, `cwd` the folder that relative paths start from."""
        before = os.path.join(cwd, name)
        path = self.now(before)
        return None if path == before else path

    def is_placed(self, cwd: bytes, name: bytes) -> bool:
        """Whether the table's job has placed the file that is at `name`, seen from `cwd`."""
        path = os.path.join(cwd, name)
        return any(log.is_placed(self._job, _resolved(path)) for log in self._logs)

    def _found(self, source: bytes, passed: tuple[str, ...] = ()) -> bytes | None:
        """The last place of a file. From its place it may have been sorted again, by another job
        than those in `passed`: no job places a file twice."""
        for job, place in self._places(source, passed):
            found = self._found(place, (*passed, job))
            if found is not None or os.path.lexists(place):
                return found or place
        return None

    def _places(self, source: bytes, passed: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
        for log in self._logs:
            for job, entry in self._entries(log, source):
                ours = job == self._job
                if job in passed or (self._job and not passed and not ours):
                    continue
                sure = ours and entry.way is Way.MOVE and entry.state is State.PLACED
                if sure or not os.path.lexists(source):
                    place = b"/".join((log.out, os.fsencode(entry.folder), entry.name))
                    yield job, place

    def _sorted_into(self, table: Path) -> list[str]:
        try:
            return sorted_into(table)
        except SetupError:
            if not self._skip:
                raise
            return []

    def _opened(self, out: str) -> _Log | None:
        """The log of a folder; None if there is none, or the folder cannot be accessed."""
        if not os.path.exists(Path(out, SORT_LOG)):
            return None
        try:
            return _Log(out)
        except SetupError:
            if not self._skip:
                raise
            return None

    def _entries(self, log: _Log, source: bytes) -> list[tuple[str, Entry]]:
        try:
            return log.entries(source)
        except SetupError:
            if not self._skip:
                raise
            return []


def of_table(table: Path) -> MovedFiles:
    """The moved files of one table."""
    return MovedFiles([table], table)


def of_all_tables() -> MovedFiles:
    """The moved files of every table that was made here, the newest first, as far as their logs can
    be read."""
    return MovedFiles(Path(entry.output) for entry in reversed(entries()))


def sorted_into(table: Path) -> list[str]:
    """The folders that files of a table were sorted into, the newest first. Raises SetupError."""
    try:
        with regular_file.open_file(_pointer(table)) as file:
            text = file.read().decode(errors="surrogateescape")
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise SetupError(f"{_pointer(table)}: {error.strerror}; move it away") from None
        return []
    return list(reversed(text.splitlines()))


def remember(table: Path, out: str) -> None:
    """Record that files of a table are sorted into a folder. Raises SetupError."""
    with _changing(table):
        _write(table, [*(one for one in reversed(sorted_into(table)) if one != out), out])


def forget(table: Path, out: str) -> None:
    """Remove the record. Raises SetupError."""
    if out not in sorted_into(table):
        return
    with _changing(table):
        _write(table, [one for one in reversed(sorted_into(table)) if one != out])


@contextmanager
def _changing(table: Path) -> Iterator[None]:
    """Exclude sorts of the table into other folders, and their `--undo`, by a lock of its folder:
    the record itself is replaced and removed. Raises SetupError."""
    with atomic_file.writing(_pointer(table), _REMEDY):
        folder = os.open(table.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some network disks lock no folder
            file_lock.acquire(folder)
        yield
    finally:
        os.close(folder)


def _write(table: Path, outs: list[str]) -> None:
    pointer = _pointer(table)
    with atomic_file.writing(pointer, _REMEDY):
        if not outs:
            pointer.unlink(missing_ok=True)
        elif list(reversed(outs)) != sorted_into(table):
            part = pointer.with_name(f"{pointer.name}.part")
            with atomic_file.created(part) as file:
                file.write("".join(f"{out}\n" for out in outs).encode())
            atomic_file.place(part, pointer)
        failpoint("sort.folder-noted")


def _pointer(table: Path) -> Path:
    return table.with_name(table.name + SUFFIX)


def _resolved(path: bytes) -> bytes:
    """As the log has it: absolute, its folder without symbolic links."""
    folder, _, name = os.path.abspath(path).rpartition(b"/")
    with suppress(OSError):
        folder = os.path.realpath(folder)
    return folder.rstrip(b"/") + b"/" + name


class _Log:
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
                version_of(self._db, self._path)
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
