"""`celery -A tests.faults.apps.deadly_worker worker`: workers whose children crash at model load.

The same happens with a file that crashes a runtime's C++ code.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from worker.app import app
from worker.runtimes import load_runtime


def _deadly(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGSEGV)


_runtimes: Any = load_runtime
_runtimes.load = _deadly

__all__ = ["app"]
