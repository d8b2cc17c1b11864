"""`celery -A tests.faults.apps.slow_worker worker`: the product's workers, whose children take
long to
get ready, as with a large model on a busy machine."""

from __future__ import annotations

import time
from typing import Any

from celery.signals import worker_process_init

from worker.app import app

#: Celery's own limit is 4 s, and holds for every child but the first.
READY_AFTER_S = 6.0


@worker_process_init.connect
def _take_long(**_: Any) -> None:
    time.sleep(READY_AFTER_S)


__all__ = ["app"]
