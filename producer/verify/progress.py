"""How far the check of a table is, shown once it has taken a moment."""

from __future__ import annotations

import time

from producer.journal.totals import JobCounts
from producer.output.job_progress import JobProgress, make_progress

#: A check that is over sooner shows nothing.
SHOWN_AFTER_S = 1.0
#: How often the rows are read: for the table, for the files, for the sums.
PASSES = 3


class VerifyProgress:
    """Counts rows as they are read, and shows how many there are and how long it takes still."""

    def __init__(self, quiet: bool = False) -> None:
        self.rows = 0  #: of the table
        self._quiet, self._passed = quiet, 0
        self._begun = time.monotonic()
        self._report: JobProgress | None = None

    def passed(self, rows: int) -> None:
        """Count rows that were read, in any of the passes."""
        self._passed += rows
        if self._quiet or time.monotonic() - self._begun < SHOWN_AFTER_S:
            return
        if self._report is None:
            self._report = make_progress(quiet=False)
        # A table that differs is read once more.
        done = min(self._passed // PASSES, self.rows)
        self._report.progress(JobCounts(self.rows, done), walking=False)

    def close(self) -> None:
        """The last figures stay visible."""
        if self._report is not None:
            self._report.close()
