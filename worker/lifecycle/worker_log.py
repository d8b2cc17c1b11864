"""What a worker logs: expected errors as one line instead of a traceback, each at most once a
minute; while Redis does not answer a line a minute, and one at its return; and what libraries in
C++ print on standard error.

Of the last, TensorFlow's remarks are dropped, and of the rest, such as the reason of an abort, each
line is one of the log. The parent reads them, since a child may be about to die. Python's own log
goes past it.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from billiard.exceptions import WorkerLostError
from celery.exceptions import CPendingDeprecationWarning
from redis.exceptions import RedisError

from shared import logs
from shared.broker.runtime_paths import broker_url
from shared.errors import HangtagError, bounded
from shared.logs import LogLimit
from shared.settings import Settings

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # other loggers of a worker have warnings and errors only
#: Of equal errors one is logged in its interval: a hint returns every few seconds.
_error_lines = LogLimit(log)
CELERY = logging.getLogger("celery.worker.consumer.consumer")
_ATTEMPT = "consumer: Cannot connect to "
#: Remarks of TensorFlow, absl and LiteRT below the level of an error, and that a machine without a
#: GPU has no driver for one.
_REMARK = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|[IW]\d{4} \d\d:\d\d:\d+\.\d|"
    rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IW] |INFO: |fully_quantize: |"
    rb"E\d{4} .* failed call to cuInit: .*\(303\)"
)
_STDERR = 2
#: The wait for the last lines at the end: of children that still have the pipe there is none.
_END_S = 1.0
_out: TextIO | None = None


@contextmanager
def log_once(what: str, **ids: str | int) -> Iterator[None]:
    """Suppress and log errors that name their own cause; all others propagate. Lines in JSON have
    the ids.

    Celery would log a traceback for each.
    """
    _error_lines.flush()
    with logs.about(**ids):
        try:
            yield
        except (HangtagError, RedisError) as error:
            _error_lines.error(f"{what}: {bounded(str(error)) or type(error).__name__}")


def _without_traceback(record: logging.LogRecord) -> bool:
    """The end of a child happens outside of Python: its traceback is always the same."""
    if isinstance(record.args, tuple) and any(isinstance(a, WorkerLostError) for a in record.args):
        record.exc_info = None
    return True


logging.getLogger("celery.worker.request").addFilter(_without_traceback)


def _is_no_advice(record: logging.LogRecord) -> bool:
    """After each outage Celery advises on a setting that is set (shared/broker/celery_app.py)."""
    return CPendingDeprecationWarning.__name__ not in record.getMessage()


logging.getLogger("py.warnings").addFilter(_is_no_advice)


class OutageLog:
    """The lines on one outage after the other. Celery logs two for each of its attempts."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._lines = LogLimit(log)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line of Celery stays; one that says what to do replaces that on an attempt."""
        if not record.msg.startswith(_ATTEMPT) or not isinstance(record.args, tuple):
            return True
        self._since = self._since or time.monotonic()
        self._lines.error(_outage_line(record.args[1]), key=_ATTEMPT)  # its reasons differ
        return False

    def log_end(self) -> None:
        """Log the end of an outage, if there was one."""
        if self._since is not None:
            log.info("Redis is back after %.0f s", time.monotonic() - self._since)
        self._since, self._lines = None, LogLimit(log)


def _outage_line(error: object) -> str:
    settings = Settings.from_env()
    fix = "it, or correct HANGTAG_REDIS_URL" if settings.redis_url else "it with: hangtag up"
    reason = bounded(str(error)).rstrip(".")
    return (
        f"Redis at {broker_url(settings)} does not answer ({reason}), and this worker waits for "
        f"it; start {fix}"
    )


outages = OutageLog()
CELERY.addFilter(outages)


def divert() -> threading.Thread:
    """Read standard error of this process and its children from now on. Call `restore` at the
    end, and before this process is replaced."""
    global _out
    # A buffer has a lock: a child that is forked while a thread of its parent writes would wait for
    # it for ever, at its first line.
    raw = open(os.dup(_STDERR), "wb", buffering=0)  # noqa: SIM115
    _out = io.TextIOWrapper(raw, errors="backslashreplace", write_through=True)
    sys.stderr = sys.__stderr__ = _out  # type: ignore[misc]
    reading, writing = os.pipe()
    os.dup2(writing, _STDERR)
    os.close(writing)
    reader = threading.Thread(target=_read, args=(reading, _out), name="native-stderr", daemon=True)
    reader.start()
    return reader


def is_diverted() -> bool:
    return _out is not None


def restore(reader: threading.Thread | None = None) -> None:
    """Have this process write to its own standard error again."""
    if _out is None:
        return
    os.dup2(_out.fileno(), _STDERR)
    if reader is not None:
        reader.join(_END_S)


def _read(reading: int, out: TextIO) -> None:
    with os.fdopen(reading, "rb") as lines:
        for line in lines:
            if line.strip() and not _REMARK.match(line):
                text = line.decode(errors="replace").rstrip("\n")
                displayed = (
                    logs.json_line("stderr", text, logging.WARNING) if logs.wants_json() else text
                )
                out.write(f"{displayed}\n")
