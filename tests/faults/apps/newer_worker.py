"""`celery -A tests.faults.apps.newer_worker worker`: paced workers of a later Hangtag."""

from __future__ import annotations

from tests.support.jobs.newer_record import newer

_later = newer()
_later.__enter__()  # for good, and before the application reads the queues

from tests.faults.apps.paced_worker import app  # noqa: E402

__all__ = ["app"]
