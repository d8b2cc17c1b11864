"""Files that `hangtag sort` has moved, found through the logs of sorted folders.

Only producer/locations/row_files.py uses this. The entries of a table are those of its job: another
job may have classified other files with the same names. A table that was never sorted costs one
system call: it has no TABLE.sorted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from producer.journal.snapshot import read_snapshot
from producer.locations.sorted_into import sorted_into
from producer.sort_log.entry import Entry, State, Way
from producer.sort_log.log_reader import LogReader
from shared.errors import SetupError
from shared.labels.class_folders import SORT_LOG


class MovedFiles:
    """Finds files through the logs of sorted folders, also for several threads."""

    def __init__(
        self, tables: Iterable[Path], table: Path | None = None, outs: Iterable[str] = ()
    ) -> None:
        """Opens the logs that these tables name, and those in `outs`; with `table` for the files of
        its job only."""
        self._skip_unreadable = table is None  #: logs, which may be of other tables
        named = (out for other in tables for out in self._out_folders(other))
        known = dict.fromkeys((*named, *outs))
        self._logs = [log for out in known if (log := self._opened(out)) is not None]
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

    def current(self, path: bytes) -> bytes:
        """Where a file is now that was once at `path`; the same path if no log has moved it.

        A file that the table's job has moved is where it was moved to, even if another has its old
        name today. Any other file is at its old name, as long as there is one.
        """
        return self._last_place(_resolved(path)) or path if self._logs else path

    def is_placed(self, path: bytes) -> bool:
        """Whether the table's job has placed the file that is at this absolute path."""
        return any(log.is_placed(self._job, _resolved(path)) for log in self._logs)

    def _last_place(self, source: bytes, passed: tuple[str, ...] = ()) -> bytes | None:
        """The last place of a file. From its place it may have been sorted again, by another job
        than those in `passed`: no job places a file twice."""
        for job, place in self._places(source, passed):
            later = self._last_place(place, (*passed, job))
            if later is not None or os.path.lexists(place):
                return later or place
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

    def _out_folders(self, table: Path) -> list[str]:
        try:
            return sorted_into(table)
        except SetupError:
            if not self._skip_unreadable:
                raise
            return []

    def _opened(self, out: str) -> LogReader | None:
        """The log of a folder; None if there is none, or the folder cannot be accessed."""
        if not os.path.exists(Path(out, SORT_LOG)):
            return None
        try:
            return LogReader(out)
        except SetupError:
            if not self._skip_unreadable:
                raise
            return None

    def _entries(self, log: LogReader, source: bytes) -> list[tuple[str, Entry]]:
        try:
            return log.entries(source)
        except SetupError:
            if not self._skip_unreadable:
                raise
            return []


def _resolved(path: bytes) -> bytes:
    """As the log has it: absolute, its folder without symbolic links."""
    folder, _, name = os.path.abspath(path).rpartition(b"/")
    with suppress(OSError):
        folder = os.path.realpath(folder)
    return folder.rstrip(b"/") + b"/" + name
