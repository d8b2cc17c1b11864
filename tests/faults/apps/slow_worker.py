"""`celery -A tests.faults.apps.slow_worker worker`: workers whose children start slowly.

A large model on a busy machine has the same effect.
"""

from __future__ import annotations

import time
from typing import Any

from celery.signals import worker_process_init

from tests.faults.apps import late_pool_check
from worker.app import app

#: Celery's own limit is 4 s, and applies to every child but the first.
READY_AFTER_S = 6.0
late_pool_check.put_off()


@worker_process_init.connect
def _start_slowly(**_: Any) -> None:
    time.sleep(READY_AFTER_S)


__all__ = ["app"]
