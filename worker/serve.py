"""A worker or trainer without Celery's command line: `python -m worker.serve APP`.

That command line also imports a toolkit for terminals and every installed plug-in, which would cost
each worker, and each of its children, 8 to 15 MB and 0.2 s. Celery's worker itself is the same.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from celery import Celery
from celery.apps import worker as celery_worker
from celery.signals import worker_ready

from shared import keys, process
from shared.broker.address import Address
from shared.broker.runtime_paths import broker_url, wanted_children
from shared.settings import Settings
from worker.lifecycle import access_check, pool, worker_log

log = logging.getLogger("worker.serve")  # also where it is the main module
log.setLevel(logging.INFO)  # the log of a worker has warnings and errors only
_STOP = {
    keys.CLASSIFY_QUEUE: "stops it after the batches in progress",
    keys.TRAIN_QUEUE: "stops it, and a training in progress waits for the next trainer",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal ends it. Returns the worker's exit code."""
    options = _parser().parse_args(arguments)
    reader = worker_log.divert()  # before any handler has the stream
    try:
        return _serve(options)
    finally:
        worker_log.restore(reader)


def _serve(options: argparse.Namespace) -> int:
    # Remarks of TensorFlow: what matters is an error. See also worker/lifecycle/worker_log.py.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    gc.disable()  # imports make 90,000 objects that stay: searches are a tenth of the start
    app: Celery = importlib.import_module(options.app).app
    if not sys.stdout.isatty():
        celery_worker.safe_say = access_check.say_nothing  # type: ignore[attr-defined]
    settings = Settings.from_env()
    _log_when_ready(broker_url(settings))
    worker = app.Worker(
        concurrency=options.concurrency or wanted_children(settings) or 1,
        pool_cls="prefork",
        loglevel=options.loglevel,
        quiet=True,
        # Unused messages among workers; without them a worker starts and stops 1 s sooner.
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    gc.freeze()  # neither this process nor its children search these objects from now on
    gc.enable()
    process.skip_last_search()
    worker.start()
    return int(worker.exitcode or 0)


def _log_when_ready(broker: Address) -> None:
    """Log one line at the first connection, since a log would be empty whether the worker works or
    waits for its server. Celery sends its signal once, not for new children, nor after an outage.
    """

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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m worker.serve", description=__doc__)
    parser.add_argument("app", help="module of the Celery application, such as worker.app")
    parser.add_argument("--concurrency", type=int, help="children; else of the stack")
    parser.add_argument("--loglevel", default="WARNING")
    return parser


if __name__ == "__main__":
    sys.exit(main())
