"""Notices on standard error: what the displays of jobs and of requests have in common."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import ProgressColumn, TaskID


def print_line(text: str) -> None:
    """One line on standard error."""
    print(text, file=sys.stderr, flush=True)


class Notices:
    """Shows notices, the same text twice in a row once."""

    _last = ""

    def notice(self, text: str) -> None:
        """One line, where there is a text."""
        if text and text != self._last:
            self._print(text)
        self._last = text

    def close(self) -> None:
        """What was shown last stays visible."""

    def _print(self, text: str) -> None:
        print_line(text)


class LiveNotices(Notices):
    """Shows notices above a live bar, which a subclass starts by setting `_task`."""

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
