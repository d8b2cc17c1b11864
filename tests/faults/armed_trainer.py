"""`celery -A tests.faults.armed_trainer worker`: the product's trainers, their points watched."""

from __future__ import annotations

from tests import armed
from tests.faults.trainer_app import app

armed.watch()

__all__ = ["app"]
