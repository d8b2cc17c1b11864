"""`celery -A tests.faults.apps.counting_worker worker`: paced workers that count their results.

Each result is one line in a file.
"""

from __future__ import annotations

from worker import app as app_
from worker.app import app

assert app_.app is app

__all__ = ["app"]
