"""The progress of a check, displayed only if it takes longer than a moment."""

from __future__ import annotations

import time

from producer.journal.totals import JobCounts
from producer.output.job_progress import JobProgress, make_progress

#: A shorter check displays nothing.
DISPLAY_AFTER_S = 1.0
#: The number of times that the rows are read: for the table, for the files, for the totals.
PASSES = 3


class VerifyProgress:
    """Counts rows as they are read, and displays their number and the remaining time."""

    def __init__(self, quiet: bool = False) -> None:
        self.rows = 0  #: of the table
        self._quiet, self._passed = quiet, 0
        self._started = time.monotonic()
        self._report: JobProgress | None = None

    def passed(self, rows: int) -> None:
        """Count rows that were read, in any of the passes."""
        self._passed += rows
        if self._quiet or time.monotonic() - self._started < DISPLAY_AFTER_S:
            return
        if self._report is None:
            self._report = make_progress(quiet=False)
        # Bounded by the number of rows: a table that differs is read once more.
        done = min(self._passed // PASSES, self.rows)
        self._report.progress(JobCounts(self.rows, done), self.rows)

    def close(self) -> None:
        """End the display; the last figures stay visible."""
        if self._report is not None:
            self._report.close()
