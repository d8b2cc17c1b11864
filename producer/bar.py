"""A live progress bar on a terminal."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from producer.report import Quiet
from producer.totals import Totals
from producer.wording import one_line


class Bar(Quiet):
    """A live bar on a terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            BarColumn(),
            TextColumn("{task.completed:,} of {task.fields[found]} done"),
            TextColumn("{task.fields[failed]:,} failed"),
            TextColumn("{task.fields[rate]:,.0f} images/s"),
            TimeRemainingColumn(),
            console=self._console,
            transient=False,
        )
        self._task: TaskID | None = None
        self._begun, self._first = time.monotonic(), 0

    def progress(self, totals: Totals, walking: bool) -> None:
        if self._task is None:
            self._begun, self._first = time.monotonic(), totals.done
            self._task = self._bar.add_task("", total=None, found="", failed=0, rate=0.0)
            self._bar.start()
        elapsed = max(time.monotonic() - self._begun, 1e-3)
        self._bar.update(
            self._task,
            completed=totals.done,
            total=None if walking else totals.frozen,
            found=f"{totals.frozen:,}" + ("+" if walking else ""),
            failed=totals.failed,
            rate=(totals.done - self._first) / elapsed,
        )

    def notice(self, text: str) -> None:
        if text and text != self._last:
            self._console.print(one_line(text), highlight=False, markup=False)
        self._last = text

    def close(self) -> None:
        if self._task is not None:
            self._bar.stop()
