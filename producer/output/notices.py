"""Notices on standard error, shared by the displays of jobs and of requests."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import ProgressColumn, TaskID


def print_line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Notices:
    """Displays notices; the same text twice in a row is displayed once."""

    _last = ""

    def notice(self, text: str) -> None:
        """Display one line, unless the text is empty."""
        if text and text != self._last:
            self._print(text)
        self._last = text

    def close(self) -> None:
        """End the display; the last output stays visible."""

    def _print(self, text: str) -> None:
        print_line(text)


class LiveNotices(Notices):
    """Displays notices above a live bar, which a subclass starts by setting `_task`."""

    def __init__(self, *columns: ProgressColumn, transient: bool) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._console = Console(stderr=True)
        self._bar = Progress(*columns, console=self._console, transient=transient)
        self._task: TaskID | None = None

    def close(self) -> None:
        if self._task is not None:
            self._bar.stop()

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
