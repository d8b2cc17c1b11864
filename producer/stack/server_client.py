"""What the supervisor does as a client of its own server.

It is imported late, since Redis' client takes 0.1 s, in which the server can be up already.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import redis
from redis.exceptions import RedisError

from producer.processes.process_handle import ManagedProcess
from producer.stack import desired_state, other_stacks
from shared import keys
from shared.errors import HangtagError
from shared.ledger import jobs
from shared.ledger.jobs import SILENT_S
from shared.ledger.requests import RequestLedger
from shared.registry.mirror_writer import publish
from shared.registry.registry import Registry
from shared.settings import Settings

if TYPE_CHECKING:
    import redis

log = logging.getLogger(__name__)
#: A server on this machine that takes longer is looked at again later.
TIMEOUT_S = 2.0
#: Serving copies are put back at this interval, in case that something removed them.
PUBLISH_EVERY_S = 30.0


class ServerClient:
    """Looks after the models, the heartbeats and the guests of the server at `path`."""

    def __init__(self, settings: Settings, folder: Path, path: Path) -> None:
        self._settings = settings
        self._client = connect(path)
        self._demand = IdleDetector(folder, settings)
        self._published = time.monotonic()

    def ready(self, worker: ManagedProcess) -> bool:
        """Whether a worker's heart beats."""
        name = f"{socket.gethostname()}:{worker.pid}:{worker.started}"
        try:
            return bool(self._client.exists(keys.worker(name)))
        except RedisError:
            return False

    def idle_s(self) -> float:
        """Seconds since the stack was needed; 0 while the server does not answer."""
        try:
            return self._demand.idle_s(self._client)
        except RedisError as error:
            log.debug("cannot tell who needs the stack: %s", error)
            return 0.0

    def outstanding(self) -> int | None:
        """Batches without a result; None while the server does not answer."""
        try:
            return jobs.outstanding(self._client)
        except RedisError as error:
            log.debug("cannot tell how much waits: %s", error)
            return None

    def training(self) -> bool:
        """Whether a trainer is wanted; as before while the server does not answer."""
        try:
            return self._demand.training(self._client)
        except RedisError as error:
            log.debug("cannot tell whether there is something to train: %s", error)
            return self._demand.trained

    def refresh(self) -> None:
        """Put the serving copies back, from time to time."""
        if time.monotonic() - self._published > PUBLISH_EVERY_S:
            self._published = time.monotonic()
            publish_copies(self._client, self._settings)


def connect(path: Path) -> redis.Redis:
    """A client for the server at the socket `path`."""
    name = f"hangtag-{ROLE}-{socket.gethostname()}-{os.getpid()}"
    return redis.Redis(unix_socket_path=str(path), socket_timeout=TIMEOUT_S, client_name=name)


def publish_copies(client: redis.Redis, settings: Settings) -> None:
    """Put what the store holds into Redis. A fault in a store does not stop the stack."""
    try:
        publish(client, Registry(settings.store_path))
    except (HangtagError, RedisError, OSError) as error:
        log.warning("models of %s are not published: %s", settings.store_path, error)


ROLE = "supervisor"
#: Connections of the stack's own processes, and of who only watches, by their role in
#: `hangtag-ROLE-HOST-PID`.
_ROLES = (ROLE, "worker", "trainer", "pulse", "lease", "watchdog", "metrics", "monitor")
OWN = tuple(f"hangtag-{role}-" for role in _ROLES)


class IdleDetector:
    """Remembers when the stack, and its trainer, were needed last."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder, self._settings = folder, settings
        self._announced = desired_state.announced(folder)
        self._needed = time.monotonic()
        self._open = float("-inf")  #: when there was an open request last
        self.trained = False  #: what `training` answered last

    def idle_s(self, client: redis.Redis) -> float:
        """Seconds since the stack was needed, 0 if it is now. Raises RedisError."""
        announced = desired_state.announced(self._folder)
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
        asked = RequestLedger(client, self._settings.lease_s).open()
        return bool(asked or self._kept())

    def _kept(self) -> bool:
        """A store that cannot be written is reported to the command that needs it."""
        try:
            return bool(other_stacks.mine(self._settings))
        except HangtagError as error:
            log.debug("cannot adopt a request: %s", error)
            return False


def _jobs(client: redis.Redis) -> int:
    return client.zcount(keys.JOBS, time.time() - SILENT_S, "+inf")


def _clients(client: redis.Redis) -> int:
    return sum(not one["name"].startswith(OWN) for one in client.client_list())
