"""`celery -A tests.faults.apps.failpoint_worker worker`: poison workers with armed points."""

from __future__ import annotations

from tests.support.failpoints import armed
from worker.app import app

armed.watch()

__all__ = ["app"]
