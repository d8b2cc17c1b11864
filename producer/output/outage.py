"""An outage of Redis, as people are told of it: since when, and that it is over."""

from __future__ import annotations

import time
from collections.abc import Callable

from redis.exceptions import OutOfMemoryError, RedisError

#: Between two looks whether it is over.
PAUSE_S = 0.5


class Outage:
    """Whether Redis is away, and since when. `tell` shows one line."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._answered = time.time()  #: when Redis did last
        self.lasts = False

    def report(self, error: RedisError) -> None:
        """Redis does not answer."""
        if not self.lasts:
            self.lasts = True
            since = time.strftime("%H:%M:%S", time.localtime(self._answered))
            self._tell(f"Redis is away since {since} ({error}); going on when it is back")

    def over(self) -> None:
        """Redis has answered."""
        self._answered = time.time()
        if self.lasts:
            self.lasts = False
            self._tell("Redis is back")


#: What it answers to any write while its files cannot be written.
_NO_DISK = "MISCONF"
#: And while fewer replicas follow it than it must have (min-replicas-to-write).
_NO_REPLICAS = "NOREPLICAS"
_DISK_FULL = "No space left on device"
#: redis-py has no class of its own for this one.
_MAX_CLIENTS = "max number of clients reached"


def write_refusal(error: RedisError) -> str:
    """Why the server refuses what is written to it; empty for any other error."""
    if isinstance(error, OutOfMemoryError):
        return "Redis' memory is full"
    text = str(error)
    if _NO_REPLICAS in text:
        return "Redis has too few replicas to take anything in"
    if _MAX_CLIENTS in text:
        return "Redis refuses more connections (its maxclients is reached)"
    if _NO_DISK not in text:
        return ""
    return "Redis' disk is full" if _DISK_FULL in text else f"Redis cannot write its files ({text})"
