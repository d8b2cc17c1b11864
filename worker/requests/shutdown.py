"""How a trainer's parent tells its children to end: a byte in a pipe that all of them can see.

Signals do not do: Celery and billiard set, reset and ignore those of their children.
"""

from __future__ import annotations

import os
import select
from typing import Any


class ShutdownNotice:
    """Made in the parent before it forks. Nobody reads the byte, so it is there for everyone."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def send(self, **_: Any) -> None:
        """From now on it is told. Fit for a signal handler."""
        os.write(self._writer, b".")

    def is_sent(self, wait_s: float = 0.0) -> bool:
        """Whether it is, at the latest after so many seconds."""
        return bool(select.select([self._reader], [], [], wait_s)[0])
