"""`celery -A tests.faults.apps.sleeping_worker worker`: workers that sleep in each batch.

Sleeping takes no processor time, so any number of them can be busy at once.
"""

from __future__ import annotations

import time

from shared import failpoints
from worker.app import app

#: While the batch is claimed.
SLEEP_S = 0.5


def _sleep(name: str) -> None:
    if name == "ledger.claim":
        time.sleep(SLEEP_S)


failpoints.watch(_sleep)

__all__ = ["app"]
