"""Bounds the log lines on what repeats: a line is logged once an interval, and of a flood of bad
input some lines, then their number."""

from __future__ import annotations

import logging
import time

INTERVAL_S = 60.0
#: The interval of a fault that stays until a person repairs it.
DAY_S = 86_400.0
#: Lines in one interval; further ones are only counted.
LINES = 30


class LogLimit:
    """Lines of one kind, logged to `log`. `repeats`: equal lines are about different things, and
    are logged like others."""

    def __init__(
        self, log: logging.Logger, interval_s: float = INTERVAL_S, *, repeats: bool = False
    ) -> None:
        self._log, self._interval_s, self._repeats = log, interval_s, repeats
        self._since = float("-inf")
        self._lines = list[str]()
        self._left_out = 0
        self._last = ""

    def error(self, line: str, error: Exception | None = None, key: str = "") -> None:
        """Log this line, with the traceback of an error if one is given. It is dropped if it was
        logged in this interval, or one with its key, and counted if too many others were."""
        self._log_line(logging.ERROR, line, key or line, error)

    def warning(self, line: str) -> None:
        """The same of a fault that is tried again."""
        self._log_line(logging.WARNING, line, line)

    def _log_line(self, level: int, line: str, key: str, error: Exception | None = None) -> None:
        self.flush()
        if not self._repeats and key in self._lines:
            return
        if len(self._lines) < LINES:
            self._lines.append(key)
            self._log.log(level, "%s", line, exc_info=error)
        else:
            self._left_out += 1
            self._last = line

    def flush(self) -> None:
        """At the end of an interval, log the number of omitted lines. Cheap: call it often."""
        now = time.monotonic()
        if now - self._since < self._interval_s:
            return
        if self._left_out:
            self._log.error(
                "%d more lines like it were not logged; the last: %s", self._left_out, self._last
            )
        self._since, self._lines, self._left_out = now, [], 0
