"""Where the images of rows are now, and their bytes, if they are those that were classified.

Each name is that of a row as its table has it. `hangtag sort` may have moved the file since.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import IO

from producer.job.job_options import JobOptions
from producer.job.snapshot import read_snapshot
from producer.sort_log import sorted_folder
from producer.sort_log.log import Entry, SortLog, Way
from producer.sources.job_sources import JobSources
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.files import NO_DIGEST, Stamp, digest, printable
from shared.stop import Waits


class _Places:
    """The places of a log's files."""

    def __init__(self, log: SortLog) -> None:
        self.log, self._out = log, os.fsencode(log.out)
        self._entries = {entry.source: entry for entry in log.entries.values()}

    def place_of(self, source: bytes) -> tuple[bytes, bool] | None:
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
    """Finds files that `hangtag sort` has moved, through the logs of this user's sorts: those of a
    job (of none, if it is empty), or of all jobs. Several threads may use it.

    The log of a table is that of its job: another job may have classified other files with the same
    names.
    """

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
        logs = self._own or (self._all_places if self._is_of_all else [])
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
        return any(_resolved(path) in places.placed for places in self._own)

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
    def _all_places(self) -> list[_Places]:
        return [_Places(log) for log in sorted_folder.logs_of()]

    @cached_property
    def _others(self) -> list[_Places]:
        own = {places.log.path for places in self._own}
        return [places for places in self._all_places if places.log.path not in own]


def _found(source: bytes, logs: list[_Places]) -> Iterator[tuple[bytes, bool]]:
    for places in logs:
        if place := places.place_of(source):
            yield place


def _resolved(path: bytes) -> bytes:
    """As the log has it: absolute, its folder without symbolic links."""
    folder, _, name = os.path.abspath(path).rpartition(b"/")
    with suppress(OSError):
        folder = os.path.realpath(folder)
    return folder.rstrip(b"/") + b"/" + name


class RowFiles:
    """The images of one job, also for several threads. Without `moved` each is where it was."""

    def __init__(self, sources: JobSources, moved: MovedFiles | None = None) -> None:
        self.sources, self._moved = sources, moved or MovedFiles()
        self._max_bytes = sources.options.max_file_bytes
        self.out_of_reach = ""  #: why the first image in an archive or on a server was not read
        self._lock = threading.Lock()  #: sources are used by one thread at a time

    def path(self, name: bytes) -> bytes | None:
        """The absolute path of the file of a row, where it is now; None if it is in no file."""
        path = self.sources.source_of(name).local_path(name)
        return None if path is None else self._moved.current(path)

    def moved_to(self, name: bytes) -> bytes | None:
        """Where the file of a row was moved to; None if it was not."""
        path = self.sources.source_of(name).local_path(name)
        now = None if path is None else self._moved.current(path)
        return None if now == path else now

    def is_placed(self, name: bytes) -> bool:
        """Whether the job has sorted a file to this path, which is seen from the job's folder."""
        path = self.sources.source_of(name).local_path(name)
        return path is not None and self._moved.is_placed(path)

    @property
    def were_sorted(self) -> bool:
        """Whether this user has sorted files of the job."""
        return self._moved.has_logs

    def read(self, name: bytes, max_bytes: int | None = None) -> tuple[bytes | Status, Stamp]:
        """The bytes of a row's image and its stamp, or the reason why there are none."""
        most = self._max_bytes if max_bytes is None else max_bytes
        if not self.sources.has_others:
            return self.sources.local.read(self.path(name) or name, most)
        with self._lock:
            path = self.path(name)
            if path is None:
                return self.sources.source_of(name).read(name, most)
        return self.sources.local.read(path, most)

    def stamp(self, name: bytes) -> Stamp:
        """The stamp that `read` would return of a readable image."""
        path = self.path(name)
        source = self.sources.source_of(name) if path is None else self.sources.local
        return source.stamp(path or name)

    def unchanged(self, name: bytes, stamp: Stamp) -> bytes | Status:
        """The bytes of an image that was read before; `changed` if its stamp differs."""
        content, stamp_now = self.read(name)
        if stamp_now == stamp or content is Status.MISSING:
            return content
        return Status.CHANGED

    def classified(self, name: bytes, stamp: Stamp, known: bytes) -> bytes | Status:
        """The file's bytes; `missing`, `changed` or `unreadable` if they are not those that were
        classified.

        `stamp` and `known` are the size and time, and the CRC-32, that the journal has of the file.
        A file that was copied back may have another time; its size and checksum decide. It is
        `unreadable`, too, if its archive or server cannot be read; `out_of_reach` says why.
        """
        try:
            data, stamp_now = self.read(name)
        except SetupError as error:
            if self.sources.source_of(name).local_path(name) is not None:
                raise  # where the file is now is not known
            self.out_of_reach = self.out_of_reach or str(error)
            return Status.UNREADABLE
        if isinstance(data, Status):
            return data
        if known and known != NO_DIGEST:
            same = (len(data), digest(data)) == (stamp[0], known)
        else:
            same = stamp_now == stamp
        return data if same else Status.CHANGED

    def sha256(self, name: bytes, stamp: Stamp, known: bytes) -> str | Status:
        """The SHA-256 of the same bytes, in hexadecimal."""
        data = self.classified(name, stamp, known)
        return data if isinstance(data, Status) else hashlib.sha256(data).hexdigest()


@contextmanager
def of_table(
    table: Path,
    options: JobOptions,
    waits: Waits | None = None,
    listed: IO[bytes] | None = None,
) -> Iterator[RowFiles]:
    """The images of the job of a table. `listed` is its list, if its record lacks the secrets of
    addresses. Raises SetupError: a log is damaged."""
    view = read_snapshot(table)
    older = table.with_name(f"{table.name}.sorted")  # where version 0.2.0 has sorted its images
    moved = MovedFiles(view.job if view else "", older if older.exists() else None)
    with closing(JobSources(options, waits, listed)) as sources:
        yield RowFiles(sources, moved)


def of_all_jobs() -> Callable[[bytes], bytes]:
    """From a path to where its file is now, through every sort of this user, the newest first."""
    return MovedFiles(None).current
