"""An outage of Redis, as people are told of it: since when, and that it is over."""

from __future__ import annotations

import time
from collections.abc import Callable

from redis.exceptions import RedisError

#: Between two looks whether it is over.
PAUSE_S = 0.5


class Outage:
    """Whether Redis is away, and since when. `tell` shows one line."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._answered = time.time()  #: when Redis did last
        self.lasts = False

    def goes_on(self, error: RedisError) -> None:
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
