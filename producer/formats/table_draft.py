"""A table while it is written: its file beside its place, which gets one batch after the other, and
the counts of its rows.

A job opens it as soon as its first rows are there, so its batches may come over a long time.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from pathlib import Path
from typing import IO

from producer.formats.table_formats import loaded
from producer.journal.batch_reader import BatchReader
from producer.output.output_path import check_unused, draft_of, lock_draft, parts_of
from producer.rendering.display_options import DisplayOptions
from producer.rows.columns import Table
from producer.rows.row_batch import START, RowBatch
from producer.summary.answer_counter import AnswerCounter
from shared import atomic_file
from shared.errors import HangtagError
from shared.failpoints import failpoint

AS_BY_DEFAULT = DisplayOptions()
#: Small, since it stays for the whole job: rows are written a few at a time.
_WRITE_BUFFER_BYTES = 1 << 16


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
            self._sink, parts = _Hashed(self._file), parts_of(self._path)
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
            atomic_file.place(self._path, self._output)
            self._removal.pop_all()  # another process may write the next draft
            failpoint("table.placed")

    def close(self) -> None:
        """Release the draft."""
        self._opened.close()

    def _errors(self) -> AbstractContextManager[None]:
        return atomic_file.writing(self._output, "fix this and run the same command again")


class _Hashed:
    """Appends to a file, and digests what it appends."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes, /) -> int:
        self.sha256.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        """The file is synced as a whole."""


def _close(file: IO[bytes]) -> None:
    with suppress(OSError):  # a full disk may lack room for what is still in memory
        file.close()


class GrowingTable:
    """The draft of a running job. Its failures end no job: all rows are written at the end, which
    reports what is still wrong."""

    def __init__(self, journal: BatchReader, start: Callable[[], TableDraft]) -> None:
        self._journal, self._start = journal, start
        self._draft: TableDraft | None = None
        self._given_up = False

    def advance(self, seconds: float) -> None:
        """Write final rows for this time."""
        if self._given_up:
            return
        until_s = time.monotonic() + seconds
        try:
            if self._draft is None and self._journal.has_final_rows:
                self._draft = self._start()
            if (draft := self._draft) is not None:
                draft.append(self._journal.final_row_batches(draft.rules, draft.end), until_s)
        except HangtagError:
            self.give_up()

    def give_up(self) -> bool:
        """Remove the draft, and write no other one. Returns whether there was one, whose space is
        free now."""
        self._given_up = True
        draft, self._draft = self._draft, None
        if draft is not None:
            draft.close()
        return draft is not None

    def taken(self, display: DisplayOptions) -> TableDraft:
        """The draft, to be completed by the caller; a new one if there is none with these options.
        Raises as `TableDraft`."""
        draft = self._draft
        if draft is None or draft.display != display:
            self.give_up()
            return self._start()
        self._draft = None
        return draft
