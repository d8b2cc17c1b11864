"""Puts off Celery's own check of its pool, every 5 s: a test passes thanks to Hangtag's alone."""

from __future__ import annotations

from typing import Any

from celery.concurrency.asynpool import AsynPool

#: Longer than any test.
FAR_S = 3600.0


def put_off() -> None:
    """Call it before the pool starts."""
    pool: Any = AsynPool
    pool.timers = property(lambda self: {self.maintain_pool: FAR_S})
