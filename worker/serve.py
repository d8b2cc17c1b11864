"""A worker or trainer without Celery's command line: `python -m worker.serve APP`.

That command line also imports a toolkit for terminals and every installed plug-in, which would cost
each worker, and each of its children, 8 to 15 MB and 0.2 s. Celery's worker itself is the same.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import warnings
from collections.abc import Sequence

from celery import Celery

from shared.broker.runtime_paths import broker_url
from shared.settings import Settings
from worker.lifecycle.ready_line import log_when_ready

#: The start of a warning of six lines to root. In a container root is usual, and messages hold no
#: code.
AS_ROOT = "You're running the worker with superuser privileges"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal ends it. Returns the worker's exit code."""
    options = _parser().parse_args(arguments)
    warnings.filterwarnings("ignore", message=AS_ROOT)
    app: Celery = importlib.import_module(options.app).app
    log_when_ready(broker_url(Settings.from_env()))
    worker = app.Worker(
        concurrency=options.concurrency,
        pool_cls="prefork",
        loglevel=options.loglevel,
        quiet=True,
        # Unused messages among workers; without them a worker starts and stops 1 s sooner.
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=not options.events,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m worker.serve", description=__doc__)
    parser.add_argument("app", help="module of the Celery application, such as worker.app")
    parser.add_argument("--concurrency", type=int, required=True, help="number of children")
    parser.add_argument("--loglevel", default="WARNING")
    parser.add_argument("--events", action="store_true", help="send heartbeats to a monitor")
    return parser


if __name__ == "__main__":
    sys.exit(main())
