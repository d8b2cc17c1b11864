"""A table that is written while its job runs: rows that are final, while others are classified.

The journal stays the only truth: a draft is never read, and a process that resumes a job starts
another one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from producer.formats.table_draft import TableDraft
from producer.journal.batch_reader import BEFORE_ALL
from producer.journal.job_properties import Pinned
from producer.journal.records import FinishedBatch
from producer.journal.totals import AnswerCounts
from producer.rendering.display_options import DisplayOptions, make_table
from producer.summary.answer_counter import AnswerCounter
from shared.errors import HangtagError


class CountedDraft:
    """A draft with these display options, and the counts of its rows."""

    def __init__(self, pinned: Pinned, display: DisplayOptions, output: Path) -> None:
        """Raises as `TableDraft`, and UsageError if the options do not fit the job."""
        self.display, self.rows = display, 0
        self.last = BEFORE_ALL  #: the number of the last batch
        self._counter = AnswerCounter(pinned.card, display)
        self._draft = TableDraft(make_table(pinned, display), output, pinned.options.form)

    def add(self, stored: FinishedBatch) -> int:
        """Append the batch that follows; returns the number of its rows."""
        batch = self._draft.add(stored)
        self._counter.add(batch)
        self.last, self.rows = stored.n, self.rows + len(batch)
        return len(batch)

    def counted(self) -> AnswerCounts:
        """The counts of its rows."""
        return self._counter.counted()

    def place(self, placing: Callable[[str], None]) -> str:
        """As `TableDraft.place`."""
        return self._draft.place(placing)

    def close(self) -> None:
        """Remove the draft, unless it was placed."""
        self._draft.close()


class FinalBatches(Protocol):
    """The journal of a job that runs."""

    def final_batches(self, after: int) -> Iterator[FinishedBatch]:
        """The batches after this one whose rows stay as they are, without a gap."""


class GrowingTable:
    """The draft of a running job. Its failures end no job: all rows are written at the end, which
    reports what is still wrong."""

    def __init__(self, journal: FinalBatches, start: Callable[[], CountedDraft]) -> None:
        self._journal, self._start = journal, start
        self._draft: CountedDraft | None = None
        self._given_up = False

    def advance(self, seconds: float) -> None:
        """Write final rows for this time."""
        if self._given_up:
            return
        until = time.monotonic() + seconds
        last = self._draft.last if self._draft else BEFORE_ALL
        try:
            for stored in self._journal.final_batches(last):
                self._draft = self._draft or self._start()
                self._draft.add(stored)
                if time.monotonic() >= until:
                    return
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

    def taken(self, display: DisplayOptions) -> CountedDraft:
        """The draft, to be completed by the caller; a new one if there is none with these options.
        Raises as `CountedDraft`."""
        draft = self._draft
        if draft is None or draft.display != display:
            self.give_up()
            return self._start()
        self._draft = None
        return draft
