"""What a worker logs while Redis does not answer: a line a minute, and one at its return. Celery
logs two lines for each of its attempts."""

from __future__ import annotations

import logging
import time

from shared.broker.runtime_paths import broker_url
from shared.errors import bounded
from shared.log_limit import LogLimit
from shared.settings import Settings

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # the log of a worker has warnings and errors only
CELERY = logging.getLogger("celery.worker.consumer.consumer")
_ATTEMPT = "consumer: Cannot connect to "


class OutageLog:
    """The lines on one outage after the other."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._lines = LogLimit(log)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line of Celery stays; one that says what to do replaces that on an attempt."""
        if not record.msg.startswith(_ATTEMPT) or not isinstance(record.args, tuple):
            return True
        self._since = self._since or time.monotonic()
        self._lines.error(_line(record.args[1]), key=_ATTEMPT)  # its reasons differ
        return False

    def over(self) -> None:
        """Log the end of an outage, if there was one."""
        if self._since is not None:
            log.info("Redis is back after %.0f s", time.monotonic() - self._since)
        self._since, self._lines = None, LogLimit(log)


def _line(error: object) -> str:
    settings = Settings.from_env()
    fix = "it, or correct HANGTAG_REDIS_URL" if settings.redis_url else "it with: hangtag up"
    why = bounded(str(error)).rstrip(".")
    return (
        f"Redis at {broker_url(settings)} does not answer ({why}), and this worker waits for it; "
        f"start {fix}"
    )


outages = OutageLog()
CELERY.addFilter(outages)
