"""The progress of a report, displayed only if it takes longer than a moment."""

from __future__ import annotations

import sys
import time

from producer.output.formatting import duration
from producer.output.notices import LiveNotices, print_line

#: A shorter stage displays nothing.
DISPLAY_AFTER_S = 1.0
PLAIN_EVERY_S = 5.0


class _Bar(LiveNotices):
    def __init__(self, stage: str, total: int) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            transient=True,
        )
        self._task = self._bar.add_task(stage, total=total)
        self._bar.start()

    def at(self, done: int) -> None:
        assert self._task is not None
        self._bar.update(self._task, completed=done)


class ReportProgress:
    """Counts the items of one stage after the other: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: _Bar | None = None
        self.stage("", 0)

    def stage(self, name: str, total: int) -> None:
        """Start a stage of `total` items."""
        self.close()
        self._name, self._total, self._done = name, total, 0
        self._started = self._printed = time.monotonic()

    def passed(self, items: int) -> None:
        """Count items that are done."""
        self.reached(self._done + items, self._total)

    def reached(self, done: int, total: int) -> None:
        """Set the number of items that are done, and of all."""
        self._done, self._total = done, total
        now = time.monotonic()
        if self._quiet or now - self._started < DISPLAY_AFTER_S:
            return
        if sys.stderr.isatty():
            if self._bar is None:
                self._bar = _Bar(self._name, self._total)  # imports rich
            self._bar.at(self._done)
        elif now - self._printed >= PLAIN_EVERY_S:
            self._printed = now
            left = (now - self._started) * (self._total - self._done) / max(self._done, 1)
            print_line(f"{self._name}: {self._done:,} of {self._total:,}, {duration(left)} left")

    def close(self) -> None:
        """End the display."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
