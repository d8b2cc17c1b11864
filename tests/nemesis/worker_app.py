"""`celery -A tests.nemesis.worker_app worker`: workers that write a line for each result."""

from __future__ import annotations

import os

from shared import failpoints
from tests.nemesis.results import FILE_VARIABLE
from worker.app import app

_file = os.open(os.environ[FILE_VARIABLE], os.O_APPEND | os.O_WRONLY)


def _note(name: str) -> None:
    if name == "ledger.complete":
        os.write(_file, b"complete\n")


failpoints.watch(_note)

__all__ = ["app"]
