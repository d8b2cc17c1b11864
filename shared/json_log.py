"""Logs with one JSON object a line, for a collector of logs (HANGTAG_LOG_JSON=1, --log-json)."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

import msgspec

from shared.settings import PREFIX, Settings

_ABOUT = ContextVar[dict[str, str | int] | None]("_ABOUT", default=None)


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
        line: dict[str, str | int] = {
            "time": _rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **(_ABOUT.get() or {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(
            {name: _encodable(value) for name, value in line.items()}
        ).decode()


def wanted() -> bool:
    """Whether this process logs JSON, also if another setting is invalid."""
    return os.environ.get(f"{PREFIX}LOG_JSON") == "1"


def configure(settings: Settings, text: str) -> None:
    """Have this process log to standard error from INFO on. Raises SetupError."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.has_json_logs else logging.Formatter(text))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)


def line(name: str, message: str, level: int = logging.CRITICAL) -> str:
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
