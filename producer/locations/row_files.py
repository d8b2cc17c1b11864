"""Where the files of rows are now, and their bytes, if they are those that were classified.

Each name is the path of a row as its table has it. `hangtag sort` may have moved the file since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from producer.inputs.job_options import JobOptions
from producer.journal.job_index import entries
from producer.locations.moved_files import MovedFiles
from producer.sources.local.reader import read, read_again
from shared.image_status import Status
from shared.messages.files import NO_DIGEST, Stamp, digest


class RowFiles:
    """The files of one job, also for several threads. Without `moved` each is at its path."""

    def __init__(self, options: JobOptions, moved: MovedFiles | None = None) -> None:
        self._options, self._moved = options, moved or MovedFiles(())

    def path(self, name: bytes) -> bytes:
        """The absolute path of the file of a row, where it is now."""
        return self._moved.current(self._options.absolute(name))

    def moved_to(self, name: bytes) -> bytes | None:
        """Where the file of a row was moved to; None if it was not."""
        path = self.path(name)
        return None if path == self._options.absolute(name) else path

    def is_placed(self, path: bytes) -> bool:
        """Whether the job has sorted a file to this path, which is seen from the job's folder."""
        return self._moved.is_placed(self._options.absolute(path))

    def unchanged(self, name: bytes, stamp: Stamp) -> bytes | Status:
        """The bytes of a file that was read before; `changed` if its stamp differs."""
        return read_again(self.path(name), stamp, self._options.max_file_bytes)

    def classified(self, name: bytes, stamp: Stamp, known: bytes) -> bytes | Status:
        """The file's bytes; `missing`, `changed` or `unreadable` if they are not those that were
        classified.

        `stamp` and `known` are the size and time, and the CRC-32, that the journal has of the file.
        A file that was copied back may have another time; its size and checksum decide.
        """
        data, stamp_now = read(self.path(name), self._options.max_file_bytes)
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
def of_table(table: Path, options: JobOptions) -> Iterator[RowFiles]:
    """The files of the job of a table. Raises SetupError: a log is damaged."""
    with MovedFiles([table], table) as moved:
        yield RowFiles(options, moved)


@contextmanager
def of_all_tables() -> Iterator[Callable[[bytes], bytes]]:
    """From a path to where its file is now, through every table that was made here, the newest
    first, as far as their logs can be read."""
    with MovedFiles(Path(entry.output) for entry in reversed(entries())) as moved:
        yield moved.current
