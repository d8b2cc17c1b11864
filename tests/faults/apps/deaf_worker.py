"""`python -m worker.serve tests.faults.apps.deaf_worker`: once it has received a hint, its parent
reads nothing of its children until the file in HANGTAG_TEST_HEARD exists, as if it were busy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from celery.concurrency import asynpool

from shared.broker.transport import last_receipt
from tests.faults.apps.paced_worker import app

_heard, _handler = Path(os.environ["HANGTAG_TEST_HEARD"]), cast(Any, asynpool.ResultHandler)
_reader = _handler._make_process_result


def _deaf(self: Any, hub: Any) -> Callable[[int], Any]:
    read = _reader(self, hub)

    def read_later(descriptor: int) -> Any:
        if last_receipt() and not _heard.exists():
            return time.sleep(0.01)
        return read(descriptor)

    return read_later


_handler._make_process_result = _deaf

__all__ = ["app"]
