"""Notices on standard error, shared by the displays of jobs and of requests."""

from __future__ import annotations

import sys

from producer.terminal.live_lines import LiveLines
from producer.terminal.style import columns_of, wrapped


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
        """End the display; notices stay visible."""

    def _print(self, text: str) -> None:
        print_line(text)


class LiveNotices(Notices):
    """Displays notices above live lines; a subclass draws them, and they are removed at the end."""

    def __init__(self) -> None:
        self._live = LiveLines()

    def close(self) -> None:
        self._live.close()

    def _print(self, text: str) -> None:
        self._live.print(wrapped("", text, columns_of(sys.stderr)))
