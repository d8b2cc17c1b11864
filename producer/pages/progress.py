"""The progress of a page, displayed only if it takes longer than a moment."""

from __future__ import annotations

import time

from producer.output.formatting import duration
from producer.output.job_progress import fitted_bar_line
from producer.output.notices import print_line
from producer.terminal.live_lines import LiveLines
from producer.terminal.style import can_redraw

#: A shorter stage displays nothing.
DISPLAY_AFTER_S = 1.0
PLAIN_EVERY_S = 5.0


class PageProgress:
    """Counts the items of one stage after the other: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live = LiveLines() if can_redraw() else None
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
        left_s = (now - self._started) * (total - done) / max(done, 1)
        texts = [f"{self._name}: {done:,} of {total:,}", f"{duration(left_s)} left"]
        if self._live is None:
            if now - self._printed >= PLAIN_EVERY_S:
                self._printed = now
                print_line(", ".join(texts))
        elif self._live.due:
            self._live.draw([fitted_bar_line(done / max(total, 1), texts)])

    def close(self) -> None:
        """End the display."""
        if self._live is not None:
            self._live.close()
