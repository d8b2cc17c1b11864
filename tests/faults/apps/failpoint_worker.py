"""`celery -A tests.faults.apps.failpoint_worker worker`: poison workers with armed points."""

from __future__ import annotations

from tests.faults.apps.poison_worker import app
from tests.support.failpoints import armed

armed.watch()

__all__ = ["app"]
