"""The file of a table: rendered beside its place, synced, and replaced in one step.

A file with other bytes than its job rendered last is never replaced unless the user asks for it.
The journal has the digest of what was rendered last, and that of the next table before it is
placed, so the job recognizes its file also after a crash between the two.

A job opens the draft of its table as soon as its first rows are there, and appends one batch after
the other. The journal stays the only truth: a draft is never read, and a process that resumes a job
starts another one.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from pathlib import Path
from typing import IO

from producer.job.batch_reader import BatchReader
from producer.job.columns import Table
from producer.job.job_properties import JobProperties
from producer.job.row_batch import START, RowBatch
from producer.present.formatting import typed
from producer.table.answer_counter import AnswerCounter
from producer.table.display_options import DisplayOptions
from producer.table.output_path import PART_SUFFIX, check_unused, draft_of, lock_draft, parts_of
from producer.table.table_formats import Sink, loaded
from shared import atomic_file, regular_file
from shared.errors import SetupError, UsageError
from shared.failpoints import failpoint

#: The property of a job with the digest of a table that is about to be placed.
PLACING = "placing"
#: The property of a job with the digests of its rows so far, as they were written to a file: those
#: that it placed last, or was about to, and the ones that they replace.
PART = "part"
AS_BY_DEFAULT = DisplayOptions()
#: Small, since it stays for the whole job: rows are written a few at a time.
_WRITE_BUFFER_BYTES = 1 << 16


def render(
    journal: BatchReader,
    table: Table,
    form: str,
    sink: Sink,
    count: Callable[[RowBatch], None] = lambda batch: None,
) -> None:
    """Write the rows of every finished batch, one in memory at a time. `count` gets each batch."""
    with closing(loaded(form)(sink)) as writer:
        writer.begin(table)
        for batch in journal.row_batches(table.rules):
            writer.write(batch)
            count(batch)
        writer.end()


def sha256_of(output: Path) -> str:
    """The SHA-256 of a table's file, in hexadecimal; empty if there is none. Raises SetupError."""
    try:
        return regular_file.sha256(output)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SetupError(f"{output}: {error.strerror}; check its permissions") from error


def is_foreign(job: JobProperties, output: Path) -> bool:
    """Whether a file is at a job's output that the job has not written. Raises SetupError."""
    sha256 = sha256_of(output)
    return bool(sha256) and sha256 not in (job.sha256, job.text(PLACING))


def check_replaceable(job: JobProperties, output: Path) -> None:
    """Check that a job's table may be written.

    Raises:
        UsageError: another file is in its place.
    """
    if not is_foreign(job, output):
        return
    refusal = f"{output} is not what its job wrote, and is not replaced"
    if job.exit_code is None:
        raise UsageError(
            f"{refusal}; move it away and run the same command again, or start the job over with: "
            "hangtag classify --restart"
        )
    raise UsageError(
        f"{refusal}; see the differences with: "
        f"{typed(['hangtag', 'verify', str(output)])}, then move it away and run the same "
        f"command again, or replace it with: {typed(['hangtag', 'table', str(output)])} --force"
    )


def is_own_part(job: JobProperties, part: Path) -> bool:
    """Whether a file is the rows so far as the job wrote them; false if this cannot be read."""
    with suppress(SetupError):
        return sha256_of(part) in job.text(PART).split()
    return False


def check_part(output: Path) -> None:
    """Check that a job that starts replaces no file with its rows so far.

    Raises:
        UsageError: there is one, which no job has written.
    """
    part = f"{output}{PART_SUFFIX}"
    if os.path.lexists(part):
        raise UsageError(
            f"{part} exists, and is not of a job; the rows so far would replace it: move it away, "
            "or choose another -o"
        )


class TableDraft:
    """The draft of one output. It is removed by `close`, unless it was placed.

    Every method raises SetupError if the disk is full or the folder read-only.
    """

    def __init__(
        self, table: Table, output: Path, form: str, display: DisplayOptions = AS_BY_DEFAULT
    ) -> None:
        """`display` has the options of the table. Raises UsageError if another process is writing
        the same output."""
        self.display, self.rules, self._output = display, table.rules, output
        self.counter = AnswerCounter(table.card, display)
        self.end = START  #: of the last batch
        with self._errors(), ExitStack() as opened:
            check_unused(output)
            self._path = draft_of(output)
            self._file = atomic_file.create(self._path, _WRITE_BUFFER_BYTES)
            opened.callback(_close, self._file)
            lock_draft(self._file)  # until the draft is in place
            self._removal = ExitStack()
            self._removal.callback(atomic_file.remove, self._path)
            opened.enter_context(self._removal)
            failpoint("table.started")
            self._sink, parts = Sink(self._file.write), parts_of(self._path)
            self._writer = opened.enter_context(closing(loaded(form)(self._sink, parts)))
            self._writer.begin(table)
            self._opened = opened.pop_all()

    def append(
        self,
        batches: Iterable[RowBatch],
        until_s: float = math.inf,
        passed: Callable[[int], None] = lambda rows: None,
    ) -> None:
        """Append the rows that follow, until this time at most, but one batch at least. `passed`
        gets the number of rows of each batch."""
        for batch in batches:
            with self._errors():
                self._writer.write(batch)
            self.counter.add(batch)
            self.end = batch.end
            passed(len(batch))
            if time.monotonic() >= until_s:
                return

    def complete(
        self, journal: BatchReader, passed: Callable[[int], None] = lambda rows: None
    ) -> str:
        """Append the batches that follow, and sync the draft. Returns the SHA-256 of the table, in
        hexadecimal. `passed` gets the number of rows of each batch."""
        passed(self.end.rows)
        self.append(journal.row_batches(self.rules, self.end), passed=passed)
        with self._errors():
            self._writer.end()
            atomic_file.sync(self._file)
            failpoint("table.written")
        return self._sink.sha256.hexdigest()

    def place(self) -> None:
        """Replace the output atomically with the completed draft."""
        with self._errors():
            atomic_file.rename_durably(self._path, self._output)
            self._removal.pop_all()  # another process may write the next draft
            failpoint("table.placed")

    def close(self) -> None:
        """Release the draft."""
        self._opened.close()

    def _errors(self) -> AbstractContextManager[None]:
        return atomic_file.writing(self._output, "fix this and run the same command again")


def _close(file: IO[bytes]) -> None:
    with suppress(OSError):  # a full disk may lack room for what is still in memory
        file.close()
