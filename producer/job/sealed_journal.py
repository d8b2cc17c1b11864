"""Reads a job's journal without writing, also on a read-only disk."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from producer.job import property_table, records, schema
from producer.job.batch_reader import BatchReader
from producer.job.job_options import JobOptions
from producer.job.job_properties import JobProperties, open_read_only
from producer.job.journal import journal_path
from producer.job.row_batch import AS_CLASSIFIED, START, Position, RowBatch, Rules
from producer.job.sqlite_errors import sqlite_errors
from producer.job.totals import load_counts, sums
from producer.present.formatting import typed
from shared import file_lock, regular_file
from shared.errors import SetupError, UsageError


class SealedJournal(BatchReader, JobProperties):
    """The journal of `output`. While it is open, no producer can start. With `or_running` a
    producer may have it; then the rows are those of one moment. Without `check` only the records
    that are read are checked: for a journal that this process has opened before.

    Raises:
        UsageError: a producer has it (unless `or_running`), or the job was never started.
        SetupError: it cannot be read.
    """

    def __init__(self, output: Path, or_running: bool = False, check: bool = True) -> None:
        self.path = journal_path(output)
        #: Called with the number of rows of each batch read.
        self.passed: Callable[[int], None] = lambda rows: None
        self._lock, running = _share(self.path, output, or_running)
        try:
            self._open(output, running, check)
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self, output: Path, running: bool, check: bool) -> None:
        # Without a log this is the only file, and no process writes it. Opened as immutable it
        # may be on a read-only disk, where SQLite cannot create its own files.
        log = Path(f"{self.path}-wal").exists()
        with sqlite_errors(self.path):
            self._db = open_read_only(self.path, immutable=not log and not running)
            self._db.execute("BEGIN")  # every later query reads the same moment
        try:
            self._read(output, check)
        except BaseException:
            self._db.close()
            raise

    def _read(self, output: Path, check: bool) -> None:
        with sqlite_errors(self.path):
            if check:
                schema.check_structure(self._db)
            if fault := schema.foreign_version(self._db, self.path):
                raise SetupError(fault)
            self._properties = property_table.read(self._db)
        if not self.has_started:
            raise UsageError(
                f"the job of {output} was never started; start it with: hangtag classify"
            )
        self._options = msgspec.structs.replace(super().options, output=str(output))

    def __enter__(self) -> SealedJournal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._db.close()
        os.close(self._lock)

    def get(self, key: str) -> bytes | None:
        return self._properties.get(key)

    @property
    def options(self) -> JobOptions:
        """The options with the output's current path."""
        return self._options

    @property
    def finished(self) -> bool:
        """Whether the table was written."""
        return self.exit_code is not None

    @property
    def count(self) -> int:
        """The number of rows."""
        with sqlite_errors(self.path):
            return load_counts(self._properties).done

    def row_batches(
        self, rules: Rules = AS_CLASSIFIED, after: Position = START
    ) -> Iterator[RowBatch]:
        with sqlite_errors(self.path):
            if self.finished and sums(self._db) != load_counts(self._properties):
                raise sqlite3.DatabaseError("batches are missing")
        for batch in super().row_batches(rules, after):
            yield batch
            self.passed(len(batch))

    def row_batch(self, n: int, first: int) -> RowBatch:
        """One of `row_batches`, by its number and that of its first row. Raises SetupError if it is
        damaged or missing."""
        with sqlite_errors(self.path):
            return records.one(self._db, n).rows(first)


def _share(path: Path, output: Path, or_running: bool) -> tuple[int, bool]:
    """The shared lock, or a descriptor without one of a journal that a producer has; and which."""
    try:
        fd = regular_file.open_fd(path, os.O_RDONLY)
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}; check its permissions") from None
    if file_lock.try_share(fd):
        if file_lock.lost(path, fd):  # it was replaced meanwhile
            os.close(fd)
            return _share(path, output, or_running)
        return fd, False
    if not or_running:
        os.close(fd)
        raise UsageError(
            f"the job of {output} is running; wait for it with: "
            f"{typed(['hangtag', 'classify', str(output)])}"
        )
    return fd, True
