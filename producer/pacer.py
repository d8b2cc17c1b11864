"""Keeps the pace of this machine's worker: looks at the backlog now and then, and remembers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from producer import pace
from producer.pace import Bounds, Pace

log = logging.getLogger(__name__)
LOOK_EVERY_S = 0.5


class Pacer:
    """How many children the worker should have now. It begins with as few as there may be."""

    def __init__(self, bounds: Bounds) -> None:
        self._pace = Pace(bounds.floor)
        self._due = 0.0

    def children(self, bounds: Bounds, backlog: Callable[[], int | None]) -> int:
        """The number within `bounds`; `backlog` answers None while it says nothing."""
        before, now = self._pace.children, time.monotonic()
        if bounds.clamp(before) != before:
            self._pace = Pace(bounds.clamp(before))
        elif not bounds.fixed and now >= self._due:
            self._due = now + LOOK_EVERY_S
            batches = backlog()
            if batches is not None:
                self._pace = pace.look(self._pace, bounds, now, batches)
        if self._pace.children != before:
            log.info("from %d worker processes to %d", before, self._pace.children)
        return self._pace.children
