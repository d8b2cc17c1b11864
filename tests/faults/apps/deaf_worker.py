"""`celery -A tests.faults.apps.deaf_worker worker`: the product's worker, which may stop to listen.

There is no switch for it in the product: the request to the queue is replaced from here. A worker
is deaf that finds the file; it takes the file away, so that the one after it is not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from shared.broker.transport import HintChannel
from worker.app import app

FILE_VARIABLE = "HANGTAG_TEST_DEAF"
#: So many questions are asked before it falls silent.
_ASKS = 3

_channel: Any = HintChannel
_ask = _channel._brpop_start
_left = _ASKS


def _ask_no_more(self: HintChannel, *args: Any, **kwargs: Any) -> None:
    global _left
    if _left:
        _left -= 1
        _ask(self, *args, **kwargs)


_file = Path(os.environ.get(FILE_VARIABLE, "/nowhere"))
if _file.exists():
    _file.unlink()
    _channel._brpop_start = _ask_no_more

__all__ = ["app"]
