"""Files that may still be written: those that are younger than two seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared.messages.files import Stamp

#: A program that copies a file writes to it again within this time.
SETTLED_AFTER_S = 2.0
_NS = 10**9


class Settling:
    """One update waits until the files that were written before it began are old enough, which is
    once and for two seconds at most. Files that are written while it runs wait for the next one. A
    time in the future is that of another clock, and says nothing."""

    def __init__(
        self, sleep: Callable[[float], None], now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._sleep, self._now_ns = sleep, now_ns
        self._begun_ns = now_ns()

    def is_settled(self, stamp: Stamp, again: Callable[[], Stamp]) -> bool:
        """Whether a file with this stamp is not being written; `again` reads its stamp a second
        time."""
        if not self._is_young(stamp):
            return True
        if stamp[1] > self._begun_ns:
            return False
        left_ns = stamp[1] + int(SETTLED_AFTER_S * _NS) - self._now_ns()
        self._sleep(max(0.0, left_ns / _NS))
        return not self._is_young(again())

    def _is_young(self, stamp: Stamp) -> bool:
        return 0 <= self._now_ns() - stamp[1] < SETTLED_AFTER_S * _NS
