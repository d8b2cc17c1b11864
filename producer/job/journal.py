"""The journal: a SQLite file beside the output, and the source of truth for a job.

It has one record per batch, with its files and its result. It survives a crash of the producer
and the loss of all data in Redis. It decides whether a job is finished.

A repeat is a batch of files whose rows failed. Its results replace those rows in the transaction
that stores them, so that a table is always written from batches alone. Its number is never
reused: a late result can only be of the same files.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from producer.job import journal_lock, property_table, records, retries, schema
from producer.job.batch_reader import BatchReader
from producer.job.job_properties import JobProperties
from producer.job.records import FrozenBatch, Record, RowPlace, StoredResult
from producer.job.sqlite_errors import sqlite_errors
from producer.job.totals import JobCounts, load_counts, store_counts, sums
from shared import atomic_file, file_lock
from shared.errors import Damaged, UsageError
from shared.failpoints import failpoint
from shared.image_status import add_flags
from shared.messages.files import filled

SUFFIX = ".hangtag"
_REMEDY = "fix this and run the same command again"
#: The property of a job that has all its files: a job that repeats failed rows accepts no new ones.
WALKED = "walked"


class Journal(BatchReader, JobProperties):
    """One job's journal, held exclusively by this process until `close`.

    Every method raises SetupError when the disk is full or the file damaged; earlier commits stay
    intact.
    """

    def __init__(
        self, path: Path, restart: bool = False, check: Callable[[], None] = lambda: None
    ) -> None:
        """Open the file, or create it. With `restart` an unreadable file is accepted, too: `start`
        replaces its job. `check` may end the reading of a long one."""
        self.path = path
        self._check = check
        #: The number of images whose result was damaged at opening, and which are redone.
        self.reopened = 0
        self._lock = journal_lock.take(path)
        self._readable = True
        self.is_replaced = False
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            self._prepare()
        except Damaged:
            self._readable = False
            if not restart:
                self.close()
                raise
        except BaseException:
            self.close()
            raise

    def get(self, key: str) -> bytes | None:
        with sqlite_errors(self.path):
            return property_table.get(self._db, key)

    def put(self, **values: bytes) -> None:
        """Set properties of the job, all or none."""
        with self._transaction():
            property_table.put(self._db, **values)

    def start(self, **values: bytes) -> None:
        """Start a job with these properties, and remove all data of an earlier one, in one
        transaction."""
        if not self._readable:
            self._db.close()
            journal_lock.empty(self.path, self._lock)
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._prepare()
            self._readable = True
        with self._transaction():
            schema.clear(self._db)
            self.totals = JobCounts()
            store_counts(self._db, self.totals)
            property_table.put(self._db, **values)

    def adopt(self, copied: Iterable[Record], values: Callable[[], Mapping[str, bytes]]) -> None:
        """Start a job with batches that have their results, or rows that are to be repeated, and
        then with these properties, in one transaction."""
        with self._transaction():
            schema.clear(self._db)
            for record in copied:
                records.insert(self._db, record)
            self.totals = self._sum()
            property_table.put(self._db, **values())

    def properties_digest(self) -> bytes:
        """A digest of all properties: one of them differs after each change of a finished job."""
        with sqlite_errors(self.path):
            values = property_table.read(self._db)
        return hashlib.sha256(repr(sorted(values.items())).encode()).digest()

    @property
    def has_job(self) -> bool:
        """Whether the file has a started job, or cannot be read."""
        return not self._readable or self.has_started

    def commit(
        self,
        frozen: Iterable[FrozenBatch] = (),
        results: Iterable[StoredResult] = (),
        **also: bytes,
    ) -> None:
        """Freeze new batches, record results, and set properties, in one transaction.

        The first result of a batch is final."""
        with self._transaction():
            property_table.put(self._db, **also)
            for batch in frozen:
                self._freeze(batch)
            for result in results:
                self._record(result)

    def note_digests(self, n: int, digests: bytes) -> None:
        """Store digests of a batch's files that were unknown before."""
        with self._transaction():
            self._note_digests(n, digests)

    def next_number(self) -> int:
        """The number of the next batch or repeat."""
        with sqlite_errors(self.path):
            (last,) = self._db.execute("SELECT max(n) FROM batch").fetchone()
        following = 0 if last is None else int(last) + 1
        return max(following, self.first_number)

    def repeat(self, k: int) -> int:
        """Schedule every failed row for a repeat, and every row of a batch without a result, whose
        files may have been mended, too. Returns the number of rows. Each row has `k` labels."""
        with self._transaction():
            retries.schedule(self._db, k)
            self.totals = self._sum()
        return self.repeating

    @property
    def repeating(self) -> int:
        """The number of rows that are being repeated."""
        with sqlite_errors(self.path):
            return retries.under_way(self._db)

    def failed_rows(self) -> Iterator[tuple[RowPlace, bytes]]:
        """(place, path) of every failed row that is to be repeated and is in no new batch, in path
        order, one batch in memory at a time. New repeats may be frozen during the iteration."""
        rows = retries.rows(self._db)
        while True:
            with sqlite_errors(self.path):
                row = next(rows, None)
            if row is None:
                return
            yield row

    @property
    def lost(self) -> bool:
        """Whether the file was removed or replaced, so that writes to it are lost."""
        return file_lock.lost(self.path, self._lock)

    def replace(self, other: Journal) -> None:
        """Take the place of another journal, of which nothing but the lock is left until `close`.

        Raises:
            UsageError: another process reads one of them for longer.
            SetupError: a file cannot be written.
        """
        for journal in (self, other):
            journal._close_file()
        with atomic_file.writing(other.path, _REMEDY):
            atomic_file.sync_folder(other.path.parent)  # a log that came back would be this one's
            os.replace(self.path, other.path)
            failpoint("update.committed")
            atomic_file.sync_folder(other.path.parent)
        self.path = other.path
        with sqlite_errors(self.path):
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._db.execute("PRAGMA synchronous=FULL")
        self.is_replaced = False

    def _close_file(self) -> None:
        """Write everything into the file itself, and close it: a log that stayed would be taken for
        that of the file which gets its name. Raises UsageError, as `replace`."""
        with sqlite_errors(self.path):
            (is_read, *_) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_read:
            raise UsageError(
                f"{self.path} is being read by another command; run the same command again when "
                "that has ended"
            )
        self._db.close()
        self.is_replaced = True
        journal_lock.remove_logs(self.path)

    def close(self, remove: bool = False) -> None:
        """Release the file, or remove it; if not removed, the job can be opened again."""
        self._db.close()
        if remove:
            self.path.unlink(missing_ok=True)
            failpoint("journal.removed")
        os.close(self._lock)

    def _prepare(self) -> None:
        if self.lost:  # SQLite opens it by its path, and follows symbolic links
            raise UsageError(f"{self.path} was replaced meanwhile; run the same command again")
        with sqlite_errors(self.path):
            schema.prepare(self._db)
            if fault := schema.foreign_version(self._db, self.path):
                raise Damaged(fault)
            properties = property_table.read(self._db)
            self.totals = load_counts(properties)
            damaged = records.damaged(self._db, self.first_number, self._check)
            if not damaged and sums(self._db) != self.totals:
                raise sqlite3.DatabaseError("batches are missing")
        if damaged:
            self._reopen(damaged, properties)

    def _reopen(self, damaged: list[int], properties: Mapping[str, bytes]) -> None:
        """Drop damaged results, so that their batches are redone."""
        if "exit" in properties or retries.REACHED in properties:
            raise Damaged(
                f"{self.path}: the result of batch {damaged[0]} is damaged; "
                "start over with --restart"
            )
        with self._transaction():
            for n in damaged:
                self.reopened += records.reopen(self._db, n)
            before, self.totals = self.totals, self._sum()
            if self.totals.images != before.images:
                raise sqlite3.DatabaseError("batches are missing")

    def _freeze(self, batch: FrozenBatch) -> None:
        records.freeze(self._db, batch)
        if batch.places:
            retries.reached(self._db, batch.places[-1])
        else:
            self.totals.images += len(batch.names)

    def _record(self, stored: StoredResult) -> None:
        n, result, failed, flagged, digests = stored
        kinds = records.flags_text(flagged)
        crc = records.result_crc(n, failed, kinds, 0, result)
        done = self._db.execute(
            "UPDATE batch SET result = ?, failed = ?, flagged = ?, result_crc = ?"
            " WHERE n = ? AND failed IS NULL RETURNING count, places IS NOT NULL",
            (result, failed, kinds, crc, n),
        ).fetchone()
        if done is not None:
            if digests:
                self._note_digests(n, digests)
            if done[1]:
                retries.fold_in(self._db, self.batch(n), result)
            self.totals.done += done[0]
            self.totals.failed += failed
            # A new dictionary: the old one is shared with the copy for a rollback.
            self.totals.flagged = add_flags(self.totals.flagged, flagged)

    def _note_digests(self, n: int, digests: bytes) -> None:
        record = records.one(self._db, n)
        records.put_files(self._db, record._replace(digests=filled(record.digests, digests)))

    def _sum(self) -> JobCounts:
        with sqlite_errors(self.path):
            return sums(self._db)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        before = msgspec.structs.replace(self.totals)
        with sqlite_errors(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                if self.totals != before:
                    store_counts(self._db, self.totals)
                failpoint("journal.committing")
                self._db.execute("COMMIT")
            except BaseException:
                self.totals = before
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        failpoint("journal.committed")


def journal_path(output: str | Path) -> Path:
    """The journal of an output file."""
    return Path(f"{output}{SUFFIX}")


def next_journal(output: str | Path) -> Path:
    """The journal that is to replace that of an output file, once it has all rows."""
    return Path(f"{journal_path(output)}-next")


def discard_next(output: str | Path) -> None:
    """Remove it."""
    path = next_journal(output)
    for name in (path, f"{path}-wal", f"{path}-shm"):
        atomic_file.remove(Path(name))
        failpoint("update.file-removed")


def producer_log(output: str | Path) -> Path:
    """The log of the producer in the background."""
    return Path(f"{journal_path(output)}.log")
