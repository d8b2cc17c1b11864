"""Where the images of rows are now, and their bytes, if they are those that were classified.

Each name is that of a row as its table has it. `hangtag sort` may have moved the file since.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from producer.inputs.job_options import JobOptions
from producer.journal.snapshot import read_snapshot
from producer.locations.moved_files import MovedFiles
from producer.sort_log import sorted_folder
from producer.sources.job_sources import JobSources
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.files import NO_DIGEST, Stamp, digest
from shared.stop import Waits


class RowFiles:
    """The images of one job, also for several threads. Without `moved` each is where it was."""

    def __init__(self, sources: JobSources, moved: MovedFiles | None = None) -> None:
        self.sources, self._moved = sources, moved or MovedFiles()
        self._max_bytes = sources.options.max_file_bytes
        self.out_of_reach = ""  #: why the first image in an archive or on a server was not read
        self._lock = threading.Lock()  #: sources are used by one thread at a time

    def path(self, name: bytes) -> bytes | None:
        """The absolute path of the file of a row, where it is now; None if it is in no file."""
        path = self.sources.of(name).local_path(name)
        return None if path is None else self._moved.current(path)

    def moved_to(self, name: bytes) -> bytes | None:
        """Where the file of a row was moved to; None if it was not."""
        path = self.sources.of(name).local_path(name)
        now = None if path is None else self._moved.current(path)
        return None if now == path else now

    def is_placed(self, name: bytes) -> bool:
        """Whether the job has sorted a file to this path, which is seen from the job's folder."""
        path = self.sources.of(name).local_path(name)
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
                return self.sources.of(name).read(name, most)
        return self.sources.local.read(path, most)

    def stamp(self, name: bytes) -> Stamp:
        """The stamp that `read` would return of a readable image."""
        path = self.path(name)
        source = self.sources.of(name) if path is None else self.sources.local
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
            if self.sources.of(name).local_path(name) is not None:
                raise  # where the file is now is not known
            self.out_of_reach = self.out_of_reach or str(error)
            return Status.UNREADABLE
        if isinstance(data, Status):
            return data
        if known and known != NO_DIGEST:
            same = len(data) == stamp[0] and digest(data) == known
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
    view = read_snapshot(table) if sorted_folder.tokens() else None
    older = table.with_name(f"{table.name}.sorted")  # where version 0.2.0 has sorted its images
    moved = MovedFiles(view.job if view else "", older if older.exists() else None)
    with closing(JobSources(options, waits, listed)) as sources:
        yield RowFiles(sources, moved)


def of_all_jobs() -> Callable[[bytes], bytes]:
    """From a path to where its file is now, through every sort of this user, the newest first."""
    return MovedFiles(None).current
