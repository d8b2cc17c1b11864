"""The supervisor's client for the embedded server.

It is imported late: importing Redis' client takes 0.1 s, while the server starts.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.exceptions import RedisError

from producer.machine import desired_state
from producer.machine.desired_state import own_environment
from shared import keys
from shared.broker.runtime_paths import is_in_charge
from shared.errors import HangtagError
from shared.ledger import jobs
from shared.ledger.jobs import SILENT_S
from shared.ledger.request_store import open_requests
from shared.logs import DAY_S, LogLimit
from shared.messages.requests import needed_packages
from shared.process import child_id
from shared.registry.mirror_writer import publish
from shared.registry.registry import Registry
from shared.settings import Settings

log = logging.getLogger(__name__)
#: For a reply of this machine's server; the next turn tries again.
TIMEOUT_S = 2.0
#: Serving copies are refreshed at this interval, in case they were removed.
PUBLISH_EVERY_S = 30.0


class ServerClient:
    """Publishes models to the server at `path`, and reads from it and from the store what the stack
    in `folder` is needed for."""

    def __init__(self, settings: Settings, folder: Path, path: Path) -> None:
        self._settings, self._folder = settings, folder
        self._client = connect(path)
        self._published = time.monotonic()
        self._changed = desired_state.changed(folder)
        self._needed = time.monotonic()  #: when the stack was last needed
        self._requested = float("-inf")  #: when there was last an open request
        self._trains = False  #: the last result of `training`
        self._faults = LogLimit(log, DAY_S)  #: of the store or of a key

    def ready(self, worker: int) -> bool:
        """Whether the worker with this pid has a heartbeat."""
        name = f"{socket.gethostname()}:{child_id(worker)}"
        try:
            return bool(self._client.exists(keys.worker(name)))
        except RedisError:
            return False

    def outstanding(self) -> int | None:
        """Number of batches without a result; None while the server cannot be read."""
        with self._faults_logged():
            return jobs.outstanding(self._client)
        return None

    def idle_s(self) -> float:
        """Seconds since the stack was needed; 0 while the server or the store cannot be read."""
        with self._faults_logged():
            changed = desired_state.changed(self._folder)
            if (
                changed != self._changed
                or _jobs(self._client)
                or _clients(self._client)
                or self._has_requests()
            ):
                self._needed = time.monotonic()
            self._changed = changed
            return time.monotonic() - self._needed
        return 0.0

    def training(self) -> bool:
        """Whether a trainer has work, or had some recently; as before while the store cannot be
        read."""
        with self._faults_logged():
            if self._has_requests():
                self._requested = time.monotonic()
            self._trains = time.monotonic() - self._requested < self._settings.trainer_idle_s
        return self._trains

    def _has_requests(self) -> bool:
        """Whether there is work that this stack has the packages for."""
        packages = (desired_state.load(self._folder).environment or own_environment()).packages
        return any(
            needed_packages(request.work).keys() <= packages
            and is_in_charge(self._settings, request.stack)
            for request in open_requests(self._settings.store_path)
        )

    def refresh(self) -> None:
        """Publish the serving copies again, every PUBLISH_EVERY_S."""
        if time.monotonic() - self._published > PUBLISH_EVERY_S:
            self._published = time.monotonic()
            publish_copies(self._client, self._settings)

    @contextmanager
    def _faults_logged(self) -> Iterator[None]:
        """Suppress faults: the next poll reads again."""
        try:
            yield
        except RedisError as error:
            log.debug("cannot read the state in Redis: %s", error)
        except (HangtagError, OSError) as error:
            source = f"requests of this stack and of {self._settings.store_path}"
            self._faults.warning(f"{source} cannot be read: {error}")


def connect(path: Path) -> redis.Redis:
    """A client for the server at the socket `path`."""
    name = f"hangtag-{ROLE}-{socket.gethostname()}-{os.getpid()}"
    return redis.Redis(unix_socket_path=str(path), socket_timeout=TIMEOUT_S, client_name=name)


def publish_copies(client: redis.Redis, settings: Settings) -> None:
    """Publish the store's models to Redis. A fault in the store does not stop the stack."""
    try:
        publish(client, Registry(settings.store_path))
    except (HangtagError, RedisError, OSError) as error:
        log.warning("models of %s are not published: %s", settings.store_path, error)


ROLE = "supervisor"
#: Roles of the stack's own processes and of metrics, in the names of their connections,
#: `hangtag-ROLE-HOST-PID`.
_ROLES = (ROLE, "worker", "trainer", "pulse", "watchdog", "metrics")
OWN = tuple(f"hangtag-{role}-" for role in _ROLES)


def _jobs(client: redis.Redis) -> int:
    return client.zcount(keys.JOBS, time.time() - SILENT_S, "+inf")


def _clients(client: redis.Redis) -> int:
    return sum(not connection["name"].startswith(OWN) for connection in client.client_list())
