"""`celery -A tests.faults.apps.unresponsive_worker worker`: a worker that stops taking hints.

The product has no switch for it: this module replaces the request to the queue. A worker that
finds the file removes it and becomes unresponsive, so its successor does not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from shared.broker.transport import HintChannel
from worker.app import app

FILE_VARIABLE = "HANGTAG_TEST_UNRESPONSIVE"
#: The number of requests that it still sends.
_REQUESTS = 3

_channel: Any = HintChannel
_request = _channel._brpop_start
_left = _REQUESTS


def _limited_request(self: HintChannel, *args: Any, **kwargs: Any) -> None:
    global _left
    if _left:
        _left -= 1
        _request(self, *args, **kwargs)


_file = Path(os.environ.get(FILE_VARIABLE, "/nowhere"))
if _file.exists():
    _file.unlink()
    _channel._brpop_start = _limited_request

__all__ = ["app"]
