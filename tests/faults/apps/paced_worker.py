"""`celery -A tests.faults.apps.paced_worker worker`: workers with a model that also sleeps.

A light model would finish a job before a test can catch a process in the middle of it. Sleeping
takes no processor time, so many tests can run in parallel.
"""

from __future__ import annotations

import importlib
import time
from typing import Any

from celery.signals import worker_process_init

from tests.faults.apps import late_pool_check
from worker.app import app

#: Per message, like a model that takes 2.5 ms for each of 16 images.
PACE_S = 0.04
late_pool_check.put_off()


@worker_process_init.connect
def _pace(**_: Any) -> None:
    try:  # to import NumPy here, after the fork
        runtimes: Any = importlib.import_module("worker.runtimes.load_runtime")
    except ImportError:  # worker/app.py reports it
        return
    load = runtimes.load

    def paced(*given: Any) -> Any:
        runtime = load(*given)
        outputs = runtime.outputs

        def slower(images: Any) -> Any:
            time.sleep(PACE_S)
            return outputs(images)

        runtime.outputs = slower
        return runtime

    runtimes.load = paced


__all__ = ["app"]
