"""Whether anyone needs this machine's stack: jobs, requests, clients, or a command that came by."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from producer import desired, neighbours
from producer.window import SILENT_S
from shared import keys
from shared.errors import HangtagError
from shared.requests import Requests
from shared.settings import Settings

if TYPE_CHECKING:
    import redis

log = logging.getLogger(__name__)
ROLE = "supervisor"
#: Connections of the stack's own processes, and of who only watches, by their role in
#: `hangtag-ROLE-HOST-PID`.
_ROLES = (ROLE, "worker", "trainer", "pulse", "lease", "watchdog", "metrics", "monitor")
OWN = tuple(f"hangtag-{role}-" for role in _ROLES)


class Demand:
    """Remembers when the stack, and its trainer, were needed last."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder, self._settings = folder, settings
        self._announced = desired.announced(folder)
        self._needed = time.monotonic()
        self._open = float("-inf")  #: when there was an open request last
        self.trained = False  #: what `training` answered last

    def idle_s(self, client: redis.Redis) -> float:
        """Seconds since the stack was needed, 0 if it is now. Raises RedisError."""
        announced = desired.announced(self._folder)
        if announced != self._announced or _jobs(client) or _clients(client) or self._asked(client):
            self._needed = time.monotonic()
        self._announced = announced
        return time.monotonic() - self._needed

    def training(self, client: redis.Redis) -> bool:
        """Whether a trainer has something to do, or had a moment ago. Raises RedisError."""
        if self._asked(client):
            self._open = time.monotonic()
        self.trained = time.monotonic() - self._open < self._settings.trainer_idle_s
        return self.trained

    def _asked(self, client: redis.Redis) -> bool:
        """An embedded server forgets everything when it ends; the store does not."""
        asked = Requests(client, self._settings.lease_s).open()
        return bool(asked or self._kept())

    def _kept(self) -> bool:
        """A store that cannot be written is reported to the command that needs it."""
        try:
            return bool(neighbours.mine(self._settings))
        except HangtagError as error:
            log.debug("cannot adopt a request: %s", error)
            return False


def _jobs(client: redis.Redis) -> int:
    return client.zcount(keys.JOBS, time.time() - SILENT_S, "+inf")


def _clients(client: redis.Redis) -> int:
    return sum(not one["name"].startswith(OWN) for one in client.client_list())
