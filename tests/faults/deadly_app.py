"""`celery -A tests.faults.deadly_app worker`: the product's workers, whose children die while they
load a model, as with a file that a runtime's C++ does not survive."""

from __future__ import annotations

import os
import signal
from typing import Any

from worker import child
from worker.app import app


def _deadly(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGSEGV)


_child: Any = child
_child.load = _deadly

__all__ = ["app"]
