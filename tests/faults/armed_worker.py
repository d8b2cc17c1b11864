"""`celery -A tests.faults.armed_worker worker`: the product's workers, their points watched.

Some files are poison to them, as to those of poison_app.py: a few points need that.
"""

from __future__ import annotations

from tests import armed
from tests.faults.poison_app import app

armed.watch()

__all__ = ["app"]
