"""What the supervisor does as a client of its own server.

It is imported late, since Redis' client takes 0.1 s, in which the server can be up already.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from pathlib import Path

import redis
from redis.exceptions import RedisError

from producer.demand import ROLE, Demand
from producer.member import Member
from shared import backlog, keys
from shared.errors import HangtagError
from shared.registry import Registry
from shared.serving import publish
from shared.settings import Settings

log = logging.getLogger(__name__)
#: A server on this machine that takes longer is looked at again later.
TIMEOUT_S = 2.0
#: Serving copies are put back at this interval, in case that something removed them.
PUBLISH_EVERY_S = 30.0


class Attendant:
    """Looks after the models, the heartbeats and the guests of the server at `path`."""

    def __init__(self, settings: Settings, folder: Path, path: Path) -> None:
        self._settings = settings
        self._client = connect(path)
        self._demand = Demand(folder, settings)
        self._published = time.monotonic()

    def ready(self, worker: Member) -> bool:
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
            return backlog.outstanding(self._client)
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
