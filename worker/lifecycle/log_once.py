"""An error that is no fault of the program's own is one line in the log, and not a hundred."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from shared.errors import HangtagError, bounded
from shared.log_limit import LogLimit

log = logging.getLogger(__name__)
#: The same error of the same work is told again after so long: its hint comes every few seconds.
AGAIN_S = 60.0
_MAX_TOLD = 1_000
_lines = LogLimit(log)
_told: dict[str, float] = {}  #: line -> when it was last told (monotonic)


@contextmanager
def log_once(what: str) -> Iterator[None]:
    """End the block at an error that names its own cause, which is told. Others pass.

    Celery would write a traceback for each.
    """
    _lines.flush()
    try:
        yield
    except (HangtagError, RedisError) as error:
        _tell(f"{what}: {bounded(str(error)) or type(error).__name__}")


def _tell(line: str) -> None:
    now = time.monotonic()
    if now - _told.get(line, -AGAIN_S) < AGAIN_S:
        return
    if len(_told) >= _MAX_TOLD:
        _told.clear()
    _told[line] = now
    _lines.error(line)
