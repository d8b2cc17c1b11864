"""`celery -A tests.faults.apps.unreaped_worker worker`: a dead child is reaped only after the next
connection. By itself that takes an instant: its sentinel closes before it can be reaped.
"""

from __future__ import annotations

import logging
from typing import Any

from celery.concurrency.asynpool import AsynPool

from worker.app import app

__all__ = ["app"]

_pool: Any = AsynPool
_register, _maintain, _notice = (
    _pool.register_with_event_loop, _pool.maintain_pool, _pool._event_process_exit,
)  # fmt: skip
_connections: list[Any] = []


def _registered(pool: Any, hub: Any) -> None:
    _connections.append(hub)
    _register(pool, hub)


def _maintained(pool: Any) -> None:
    if len(_connections) > 1:
        _maintain(pool)


def _noticed(pool: Any, hub: Any, process: Any) -> None:
    _notice(pool, hub, process)
    logging.getLogger(__name__).warning("the sentinel of %d is closed", process.pid)


_pool.register_with_event_loop = _registered
_pool.maintain_pool = _maintained
_pool._event_process_exit = _noticed
