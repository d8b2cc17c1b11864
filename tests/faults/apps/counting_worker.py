"""`celery -A tests.faults.apps.counting_worker worker`: paced workers that count their results.

Each result is one line in a file.
"""

from __future__ import annotations

from tests.faults.apps import paced_worker
from tests.nemesis.worker_app import app

assert paced_worker.app is app

__all__ = ["app"]
