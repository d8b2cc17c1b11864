"""Whether anyone needs this machine's stack: jobs, clients, or a command that came by."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from producer import desired
from producer.window import SILENT_S
from shared import keys

if TYPE_CHECKING:
    import redis

ROLE = "supervisor"
#: Connections of the stack's own processes, by their role in `hangtag-ROLE-HOST-PID`.
OWN = tuple(f"hangtag-{role}-" for role in (ROLE, "worker", "pulse"))


class Demand:
    """Remembers when the stack was needed last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._announced = desired.announced(folder)
        self._needed = time.monotonic()

    def idle_s(self, client: redis.Redis) -> float:
        """Seconds since the stack was needed, 0 if it is now. Raises RedisError."""
        announced = desired.announced(self._folder)
        if announced != self._announced or _jobs(client) or _clients(client):
            self._needed = time.monotonic()
        self._announced = announced
        return time.monotonic() - self._needed


def _jobs(client: redis.Redis) -> int:
    return client.zcount(keys.JOBS, time.time() - SILENT_S, "+inf")


def _clients(client: redis.Redis) -> int:
    return sum(not one["name"].startswith(OWN) for one in client.client_list())
