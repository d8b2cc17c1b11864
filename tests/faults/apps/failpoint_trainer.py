"""`celery -A tests.faults.apps.failpoint_trainer worker`: waiting trainers with armed points."""

from __future__ import annotations

from tests.faults.apps.waiting_trainer import app
from tests.support.failpoints import armed

armed.watch()

__all__ = ["app"]
