"""`celery -A tests.faults.apps.failpoint_trainer worker`: waiting trainers with armed points."""

from __future__ import annotations

from tests.support.failpoints import armed
from worker.trainer import app

armed.watch()

__all__ = ["app"]
