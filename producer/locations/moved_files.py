"""Files that `hangtag sort` has moved, found through the logs of this user's sorts.

Only producer/locations/row_files.py uses this. The log of a table is that of its job: another job
may have classified other files with the same names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from producer.sort_log import sorted_folder
from producer.sort_log.log import Entry, SortLog, Way
from shared.errors import SetupError
from shared.messages.files import printable


class _Places:
    """The places of a log's files."""

    def __init__(self, log: SortLog) -> None:
        self.log, self._out = log, os.fsencode(log.out)
        self._entries = {entry.source: entry for entry in log.entries.values()}

    def of(self, source: bytes) -> tuple[bytes, bool] | None:
        """The place of a file from `source`, and whether it was moved there for sure."""
        entry = self._entries.get(source)
        if entry is None:
            return None
        return self._place(entry), entry.way is Way.MOVE and entry.row not in self.log.open

    @cached_property
    def placed(self) -> frozenset[bytes]:
        """All places that have their files."""
        entries = self._entries.values()
        return frozenset(self._place(one) for one in entries if one.row not in self.log.open)

    def _place(self, entry: Entry) -> bytes:
        return b"/".join((self._out, os.fsencode(entry.folder), entry.name))


class MovedFiles:
    """Finds the files of a job (of none, if it is empty), or of all jobs, also for several
    threads."""

    def __init__(self, job: str | None = "", older: Path | None = None) -> None:
        """`older` is the record of what version 0.2.0 has sorted, if there is one. Raises
        SetupError: a log of the job is damaged."""
        self._older = older
        self._is_of_all = job is None
        self._own = [_Places(log) for log in sorted_folder.logs_of(job)] if job else []
        for places in self._own:
            places.log.check()

    @property
    def has_logs(self) -> bool:
        """Whether this user has a log of the job."""
        return bool(self._own)

    def current(self, path: bytes) -> bytes:
        """Where a file is now that was once at `path`; the same path if no log has moved it. Raises
        SetupError: version 0.2.0 may have moved it.

        A file that the job has moved is where it was moved to, even if another has its old name
        today. Any other file is at its old name, as long as there is one.
        """
        logs = self._own or (self._all if self._is_of_all else [])
        source = _resolved(path) if logs else path
        for place, is_sure in _found(source, logs):
            is_there = os.path.lexists(source) and not (is_sure and self._own)
            if not is_there and (found := self._last_place(place)):
                return found
        if self._older is not None and not os.path.lexists(path):
            raise SetupError(
                f"{printable(path)} is missing, and version 0.2.0 has sorted images of its "
                f"table: take them back with that version, or delete {self._older} if it is gone"
            )
        return path

    def is_placed(self, path: bytes) -> bool:
        """Whether the job has placed the file that is at this absolute path."""
        return bool(self._own) and any(_resolved(path) in places.placed for places in self._own)

    def _last_place(self, place: bytes) -> bytes | None:
        """Where a file is that was sorted to `place`, from where other jobs may have sorted it
        again; no job places a file twice."""
        seen = {place}
        waiting = [place]
        while waiting:
            place = waiting.pop()
            if os.path.lexists(place):
                return place
            later = [later for later, _ in _found(place, self._others) if later not in seen]
            seen.update(later)
            waiting += later
        return None

    @cached_property
    def _all(self) -> list[_Places]:
        return [_Places(log) for log in sorted_folder.logs_of()]

    @cached_property
    def _others(self) -> list[_Places]:
        own = {places.log.path for places in self._own}
        return [places for places in self._all if places.log.path not in own]


def _found(source: bytes, logs: list[_Places]) -> Iterator[tuple[bytes, bool]]:
    for places in logs:
        if place := places.of(source):
            yield place


def _resolved(path: bytes) -> bytes:
    """As the log has it: absolute, its folder without symbolic links."""
    folder, _, name = os.path.abspath(path).rpartition(b"/")
    with suppress(OSError):
        folder = os.path.realpath(folder)
    return folder.rstrip(b"/") + b"/" + name
