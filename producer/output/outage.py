"""Notices about an outage of Redis: its start and its end."""

from __future__ import annotations

import time
from collections.abc import Callable

from redis.exceptions import OutOfMemoryError, RedisError

#: Between two attempts during an outage.
PAUSE_S = 0.5


class Outage:
    """Whether Redis is unreachable, and since when. `notice` displays one line."""

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


#: The server's error for writes while it cannot write its files.
_NO_DISK = "MISCONF"
#: Its error for writes with fewer replicas than min-replicas-to-write.
_NO_REPLICAS = "NOREPLICAS"
_DISK_FULL = "No space left on device"
#: redis-py has no class of its own for this one.
_MAX_CLIENTS = "max number of clients reached"


def write_refusal(error: RedisError) -> str:
    """Why the server refuses writes; empty for any other error."""
    if isinstance(error, OutOfMemoryError):
        return "Redis' memory is full"
    text = str(error)
    if _NO_REPLICAS in text:
        return "Redis has too few replicas to accept writes"
    if _MAX_CLIENTS in text:
        return "Redis refuses more connections (its maxclients is reached)"
    if _NO_DISK not in text:
        return ""
    return "Redis' disk is full" if _DISK_FULL in text else f"Redis cannot write its files ({text})"
