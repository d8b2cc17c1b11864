"""A table that is written while its job runs: rows that are final, while others are classified.

The journal stays the only truth: a draft is never read, and a process that resumes a job starts
another one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from producer.formats.table_draft import TableDraft
from producer.journal.batch_reader import BatchReader
from producer.rendering.display_options import DisplayOptions
from shared.errors import HangtagError


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
