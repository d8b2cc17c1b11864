"""A shutdown notice from a trainer's parent to its children: a byte in a pipe that all can poll.

Signals are not reliable: Celery and billiard set, reset and ignore those of their children.
"""

from __future__ import annotations

import os
import select
from typing import Any


class ShutdownNotice:
    """Created in the parent before it forks. The byte is never read, so every child sees it."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def send(self, **_: Any) -> None:
        """Send the notice. Safe in a signal handler."""
        os.write(self._writer, b".")

    def is_sent(self) -> bool:
        """Whether it was sent."""
        return bool(select.select([self._reader], [], [], 0.0)[0])

    def wait(self, seconds: float) -> None:
        """Sleep, until it is sent at the latest."""
        select.select([self._reader], [], [], seconds)
