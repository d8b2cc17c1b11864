"""The worker with children that ask for a signal at their parent's death when it is already dead.
On a busy machine that happens by itself."""

from __future__ import annotations

import os
import time
from typing import Any

from celery import platforms

from worker.app import app

__all__ = ["app"]

_PARENT = os.getpid()
_POLL_S = 0.01
_platforms: Any = platforms
_set_death_signal = _platforms.set_pdeathsig


def _late(name: str) -> None:
    while os.getppid() == _PARENT:
        time.sleep(_POLL_S)
    _set_death_signal(name)


_platforms.set_pdeathsig = _late
