"""Logs: with one JSON object a line, for a collector (HANGTAG_LOG_JSON=1, --log-json), and with
bounds on what repeats: a line is logged once an interval, and of a flood of bad input some lines,
then their number."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

import msgspec

from shared.settings import PREFIX, Settings

_ABOUT = ContextVar[dict[str, str | int] | None]("_ABOUT", default=None)
INTERVAL_S = 60.0
#: The interval of a fault that stays until a person repairs it.
DAY_S = 86_400.0
#: Lines in one interval; further ones are only counted.
LINES = 30


@contextmanager
def about(**ids: str | int) -> Iterator[None]:
    """Add what the block works on to each line: `job`, `batch`, `request`."""
    before = _ABOUT.set({**(_ABOUT.get() or {}), **ids})
    try:
        yield
    finally:
        _ABOUT.reset(before)


class JsonLines(logging.Formatter):
    """Formats a record as one line."""

    def format(self, record: logging.LogRecord) -> str:
        json_line: dict[str, str | int] = {
            "time": _rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **(_ABOUT.get() or {}),
        }
        if record.exc_info:
            json_line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(
            {name: _encodable(value) for name, value in json_line.items()}
        ).decode()


def wants_json() -> bool:
    """Whether this process logs JSON, also if another setting is invalid."""
    return os.environ.get(f"{PREFIX}LOG_JSON") == "1"


def log_to_stderr(settings: Settings, text: str) -> None:
    """Have this process log to standard error from INFO on. Raises SetupError."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.has_json_logs else logging.Formatter(text))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)


def json_line(name: str, message: str, level: int = logging.CRITICAL) -> str:
    """A line that no logger has made, for example of a process that ends before it has a log."""
    record = logging.LogRecord(name, level, "", 0, "%s", (message,), None)
    return JsonLines().format(record)


def message(line: str) -> str:
    """The message of a line of a log, which may be text."""
    try:
        return msgspec.json.decode(line, type=_Line).message
    except msgspec.MsgspecError:
        return line


class _Line(msgspec.Struct):
    message: str


def _rfc3339(time_s: float) -> str:
    at = datetime.fromtimestamp(time_s, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def _encodable(value: str | int) -> str | int:
    """Without the halves of characters that names of files may have."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


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
