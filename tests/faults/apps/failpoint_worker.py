"""`celery -A tests.faults.apps.failpoint_worker worker`: the product's workers, their points
watched.

Some files are poison to them, as to those of poison_app.py: a few points need that.
"""

from __future__ import annotations

from tests.support.failpoints import armed
from worker.app import app

armed.watch()

__all__ = ["app"]
