"""The line that a worker logs once it takes work.

A worker's log has warnings and errors only: without this line it would be empty, whether the worker
works or waits for its server.
"""

from __future__ import annotations

import logging
from typing import Any

from celery.signals import worker_ready

from shared import keys
from shared.broker.address import Address
from worker.lifecycle import pool

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # one line, whatever the level of the worker's log
_STOP = {
    keys.CLASSIFY_QUEUE: "stops it after the batches in progress",
    keys.TRAIN_QUEUE: "stops it, and a training in progress waits for the next trainer",
}


def log_when_ready(broker: Address) -> None:
    """Log the line at the first connection. Celery sends its signal once in a worker's life, not
    for new children, nor after an outage."""

    def ready(sender: Any, **_: Any) -> None:
        queue = sender.app.conf.task_default_queue
        processes = len(pool.pids(sender.pool))
        log.info(
            "%d %s the queue %s of %s; Ctrl-C or SIGTERM %s",
            processes,
            "process serves" if processes == 1 else "processes serve",
            queue.removeprefix(keys.PREFIX),
            broker,
            _STOP[queue],
        )

    worker_ready.connect(ready, weak=False)
