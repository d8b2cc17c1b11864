"""`celery -A tests.faults.apps.deadly_worker worker`: the product's workers, whose children die
while they
load a model, as with a file that a runtime's C++ does not survive."""

from __future__ import annotations

import os
import signal
from typing import Any

from worker.app import app
from worker.inference import process_state


def _deadly(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGSEGV)


_child: Any = process_state
_child.load = _deadly

__all__ = ["app"]
