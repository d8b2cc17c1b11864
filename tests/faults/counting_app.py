"""`celery -A tests.faults.counting_app worker`: paced workers; each result is noted in a file."""

from __future__ import annotations

from tests.faults import paced_app
from tests.nemesis.worker_app import app

assert paced_app.app is app

__all__ = ["app"]
