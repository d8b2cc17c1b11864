"""Logs expected errors as one line instead of a traceback, and each at most once a minute."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from billiard.exceptions import WorkerLostError
from celery.exceptions import CPendingDeprecationWarning
from redis.exceptions import RedisError

from shared import json_log
from shared.errors import HangtagError, bounded
from shared.log_limit import LogLimit

log = logging.getLogger(__name__)
#: Of equal errors one is logged in its interval: a hint returns every few seconds.
_lines = LogLimit(log)


@contextmanager
def log_once(what: str, **ids: str | int) -> Iterator[None]:
    """Suppress and log errors that name their own cause; all others propagate. Lines in JSON have
    the ids.

    Celery would log a traceback for each.
    """
    _lines.flush()
    with json_log.about(**ids):
        try:
            yield
        except (HangtagError, RedisError) as error:
            _lines.error(f"{what}: {bounded(str(error)) or type(error).__name__}")


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
