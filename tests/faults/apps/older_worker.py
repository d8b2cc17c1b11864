"""`celery -A tests.faults.apps.older_worker worker`: workers with the keys and queues of 0.2.0."""

from __future__ import annotations

from shared import keys

keys.PREFIX = "hangtag:"
keys.CLASSIFY_QUEUE, keys.WORKERS = "hangtag:classify", "hangtag:workers"

from worker.app import app  # noqa: E402

__all__ = ["app"]
