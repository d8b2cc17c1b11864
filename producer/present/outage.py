"""Notices about an outage of Redis: its start and its end."""

from __future__ import annotations

import time
from collections.abc import Callable

from redis.exceptions import RedisError

#: Between two attempts during an outage.
PAUSE_S = 0.5


class Outage:
    """Whether Redis is unreachable, and since when. `notice` displays one line.

    What each loop does in an outage is its own: one that connects ends where no server has ever
    replied, a running job reads on from a full server, a request outlives `hangtag down`.
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._reached = time.time()  #: time of the last response
        self.lasts = False

    def report(self, error: RedisError) -> None:
        """Record a failed command."""
        if not self.lasts:
            self.lasts = True
            since = time.strftime("%H:%M:%S", time.localtime(self._reached))
            self._notice(f"Redis has been unreachable since {since} ({error}); waiting")

    def over(self) -> None:
        """Record a successful command."""
        self._reached = time.time()
        if self.lasts:
            self.lasts = False
            self._notice("Redis is back")
