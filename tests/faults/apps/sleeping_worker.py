"""`celery -A tests.faults.apps.sleeping_worker worker`: the product's workers, which sleep over
each batch.

A model that needs a faster machine than this one: any number of them is at work at once.
"""

from __future__ import annotations

import time

from shared import failpoints
from worker.app import app

#: With the batch claimed.
SLEEP_S = 0.5


def _sleep(name: str) -> None:
    if name == "ledger.claim":
        time.sleep(SLEEP_S)


failpoints.watch(_sleep)

__all__ = ["app"]
