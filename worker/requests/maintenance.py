"""Periodic maintenance in a trainer's parent.

It repeats lost hints, stores requests that clients have sent, and publishes the serving copies of
models. Hints can be lost and trainers can die, so each trainer does this for all waiting requests.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared import atomic_file, file_lock, keys
from shared.broker.runtime_paths import is_in_charge
from shared.errors import BrokerRefuses, HangtagError, SetupError
from shared.installation import absent
from shared.ledger.request_inbox import ENDED_MS, RequestInbox
from shared.ledger.request_store import FOLDER, RequestFolder, RequestState, folders, open_requests
from shared.logs import DAY_S, LogLimit
from shared.messages.requests import Request, needed_packages
from shared.registry.mirror_writer import Incomplete, publish
from shared.registry.registry import Registry
from shared.settings import Settings
from worker.lifecycle.access_check import refusals, stop_worker
from worker.lifecycle.pool import fork_lock
from worker.requests.trainer_state import LongWork

log = logging.getLogger(__name__)
#: Redis may lose the serving copies; they are published again at this interval.
PUBLISH_S = 30.0
#: An outcome stays in the store for this time, in case the same request is submitted again.
RETENTION_S = 7 * 86_400.0
#: The store of trainers that have all ended can be replaced after this time.
HELD_S = 60.0
#: In STORE/.requests-2; names the store in Redis, since a request is decided in one folder.
_ID_FILE = "store-id"


class OtherStore(SetupError):
    """Trainers of the same broker work in another store."""


def check_shared(client: redis.Redis, store: Path) -> bool:
    """Check that the trainers of this server work in this store; the first one decides. Returns
    whether Redis knew none: no trainer was alive, or it has lost its data.

    Raises:
        OtherStore: they work in another one.
        OSError: the store cannot be written.
        redis.exceptions.RedisError: the server is unreachable.
    """
    mine, held_ms = _id(store), int(HELD_S * 1000)
    is_new = bool(client.set(keys.STORE, mine, nx=True, px=held_ms))
    if client.get(keys.STORE) not in (mine, None):
        raise OtherStore(
            f"the trainers of this broker share another store than {store}; set HANGTAG_STORE to "
            f"theirs, or end them and wait {HELD_S:.0f} s"
        )
    client.pexpire(keys.STORE, held_ms)
    return is_new


def _id(store: Path) -> bytes:
    """The id of the store, which is created if it has none."""
    atomic_file.make_folder(store / FOLDER)
    with file_lock.locked(store / FOLDER / _ID_FILE) as file:
        known = os.pread(file, 64, 0)
        if not known:
            known = secrets.token_hex(16).encode()
            os.write(file, known)
        return known


class Maintenance(threading.Thread):
    """One per trainer. `hint` queues a hint for a request."""

    def __init__(
        self,
        client: redis.Redis,
        settings: Settings,
        hint: Callable[[str], None],
        long_work: LongWork,
    ) -> None:
        super().__init__(name="hangtag-maintenance", daemon=True)
        self._client, self._settings, self._hint = client, settings, hint
        self._long_work = long_work
        self._store, self._round = settings.store_path, 0
        self._inbox = RequestInbox(client)
        self._ended = threading.Event()
        self._published = float("-inf")
        self._lines = LogLimit(log, DAY_S)

    def stop(self) -> None:
        self._ended.set()
        self.join(timeout=self._settings.round_s)

    def run(self) -> None:
        self.go()
        while not self._ended.wait(self._settings.round_s):
            self.go()

    def go(self) -> None:
        """One round."""
        for step in (self._store_sent, self._publish, self._hint_again, self._clear):
            with self._retried(), fork_lock.delay_forks():
                step()

    def _publish(self) -> None:
        if time.monotonic() - self._published >= PUBLISH_S:
            try:
                publish(self._client, Registry(self._store))
            except BrokerRefuses:
                raise
            except Incomplete as error:  # the rest is published
                for fault in error.faults:
                    self._lines.warning(str(fault))
            except SetupError as error:
                self._lines.warning(str(error))
            self._published = time.monotonic()

    def _store_sent(self) -> None:
        """Store what clients have sent, also while all processes work. Copy to Redis what has ended
        here, and, after it has lost its data, what it should have."""
        if check_shared(self._client, self._store) or not self._round:
            self._published = float("-inf")  # workers need the models, too
            for folder in folders(self._store):
                is_recent = bool(self._settings.redis_url) and _age_s(folder) * 1000 < ENDED_MS
                if folder.is_open or is_recent:
                    with self._retried():
                        self._inbox.publish(folder)
        self._round += 1
        for request_id in self._inbox.ids():
            with self._retried():
                self._inbox.store(RequestFolder(self._store, request_id))

    def _hint_again(self) -> None:
        """Repeat the hints for the waiting requests, once the queue is empty.

        Hints for long work would be dropped while some is in progress here; an idle trainer
        repeats them, or this one afterwards.
        """
        if self._client.llen(keys.TRAIN_QUEUE):
            return
        for request in waiting(self._settings):
            if self._long_work.may_start(request.work):
                self._hint(request.id)

    def _clear(self) -> None:
        """Delete old requests, and what a trainer that died has left of one that was cancelled."""
        for folder in folders(self._store):
            if not folder.is_open and _age_s(folder) > RETENTION_S:
                folder.forget()
            elif not folder.is_open and folder.work.exists():
                folder.clear()

    @contextmanager
    def _retried(self) -> Iterator[None]:
        """Suppress errors, since the next round retries. Unexpected ones are logged."""
        try:
            yield
        except OtherStore as error:
            stop_worker(error)
        except BrokerRefuses as error:
            refusals.refused(error)
        except (RedisError, OperationalError, HangtagError, OSError) as error:
            log.debug("maintenance failed and is retried: %s", error)
        except Exception as error:
            self._lines.error(f"unexpected error in the trainer's maintenance: {error!r}", error)


def waiting(settings: Settings) -> list[Request]:
    """The requests that this trainer should work on, and no process does, oldest first. One of a
    stack waits while this environment lacks packages for it, or its own stack runs."""
    store, at_broker = settings.store_path, bool(settings.redis_url)
    return [
        request
        for request in open_requests(store)
        if RequestFolder(store, request.id).state is RequestState.WAITING
        and is_in_charge(settings, request.stack)
        and (at_broker or not absent(needed_packages(request.work)))
    ]


def _age_s(folder: RequestFolder) -> float:
    """Since a file of the folder appeared, ended or was deleted."""
    try:
        return time.time() - folder.path.stat().st_mtime
    except FileNotFoundError:  # forgotten meanwhile
        return 0.0
