"""Plain Celery: an application with Celery's redelivery, for `benchmarks.recovery`.

A task writes a line at its start and at its end, so that losses and repeats are visible. All other
settings have Celery's defaults.
"""

from __future__ import annotations

import os
import time

from celery import Celery

URL, VISIBLE, REJECT = "PLAIN_URL", "PLAIN_VISIBLE_S", "PLAIN_REJECT"
SWEEP = "PLAIN_SWEEP_S"  #: interval of the polls for overdue tasks; empty: Celery's default
RUNS = "PLAIN_RUNS"
TASK = "plain.work"
QUEUE = "celery"
_sweep = os.environ.get(SWEEP)
_options = {"visibility_timeout": int(os.environ.get(VISIBLE, "3600"))}
if _sweep:
    _options |= {"unacked_restore_interval": int(_sweep), "unacked_restore_throttle": 1}
app = Celery("plain", broker=os.environ.get(URL, "memory://"))
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    task_reject_on_worker_lost=os.environ.get(REJECT) == "1",
    broker_connection_retry_on_startup=True,
    broker_transport_options=_options,
)


@app.task(name=TASK)
def work(number: int, seconds: float) -> None:
    """Takes `seconds`."""
    _note(f"{number} started")
    time.sleep(seconds)
    _note(f"{number} done")


def _note(what: str) -> None:
    with open(os.environ[RUNS], "a") as file:
        file.write(f"{time.monotonic():.3f} {os.getpid()} {what}\n")
