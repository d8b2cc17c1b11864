"""Periodic maintenance in a trainer's parent.

It repeats lost hints, stores requests that Redis may lose, and publishes the serving copies of
models. Hints can be lost and trainers can die, so each trainer does this for all waiting requests.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import cast

import redis
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared import keys
from shared.errors import BadMessage, BrokerRefuses, HangtagError, SetupError
from shared.installation import absent
from shared.ledger import cancelled_requests, request_store
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import RequestState
from shared.log_limit import DAY_S, LogLimit
from shared.messages.requests import Request
from shared.messages.work_packages import needed_packages
from shared.registry.mirror_writer import Incomplete, publish
from shared.registry.registry import Registry
from shared.settings import Settings
from worker.lifecycle.access_check import note_refusal
from worker.lifecycle.fork_lock import fork_lock
from worker.requests.long_work import LongWork, is_long
from worker.requests.workspace import Workspace, finished_before, leftovers

log = logging.getLogger(__name__)
#: Redis may lose the serving copies; they are published again at this interval.
PUBLISH_S = 30.0
#: An outcome stays in the store for this time, in case the same request is submitted again.
RETENTION_S = 7 * 86_400.0
#: Messages of the queue that are read.
HINTS_READ = 10_000


class Maintenance(threading.Thread):
    """One per trainer. `hint` queues a hint for a request."""

    def __init__(
        self,
        client: redis.Redis,
        settings: Settings,
        hint: Callable[[str], None],
        long_work: LongWork | None = None,
    ) -> None:
        super().__init__(name="hangtag-maintenance", daemon=True)
        self._client, self._settings, self._hint = client, settings, hint
        self._long_work = long_work or LongWork()
        self._store = settings.store_path
        self._requests = RequestLedger(client, settings.lease_s)
        self._ended = threading.Event()
        self._published = float("-inf")
        self._cards = 0  #: number in Redis after the last publishing
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
        steps = (
            self._publish, self._store_waiting, self._restore, self._hint_again, self._clear,
        )  # fmt: skip
        for step in steps:
            with self._retried(), fork_lock.delay_forks():
                step()

    def _publish(self) -> None:
        due = time.monotonic() - self._published >= PUBLISH_S
        if due or self._count_cards() < self._cards:  # Redis lost them, and workers need them
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
            self._cards = self._count_cards()

    def _count_cards(self) -> int:
        """The number of versions of the store whose card is in Redis."""
        registry = Registry(self._store)
        names = registry.names()
        cards = [keys.model_card(name, v) for name in names for v in registry.versions(name)]
        return self._client.exists(*cards) if cards else 0

    def _store_waiting(self) -> None:
        """Store waiting requests: their producer may have ended, and Redis may lose them.

        `_restore`, the next step, handles those that were cancelled or answered meanwhile.
        """
        if not self._settings.redis_url:
            return  # here the producer stores its request, and deletes it if it is cancelled
        for request_id in self._requests.waiting():
            with self._retried():
                self._store_one(Workspace(self._store, request_id), request_id)

    def _store_one(self, folder: Workspace, request_id: str) -> None:
        if folder.request() is None and (submitted := self._requests.submitted(request_id)):
            folder.store(*submitted)

    def _restore(self) -> None:
        """Submit unanswered requests of the store that Redis has lost; take outcomes over. One of a
        stack waits while this environment lacks packages for it."""
        here = not self._settings.redis_url
        for request in request_store.unanswered(self._store, here):
            with self._retried():
                if not here or not absent(needed_packages(request.work)):
                    self._reconcile(request)

    def _reconcile(self, request: Request) -> None:
        folder = Workspace(self._store, request.id)
        view = self._requests.get(request.id)
        here = not self._settings.redis_url
        if view is None and here and cancelled_requests.is_cancelled(self._store, request.id):
            folder.cancel()  # the command that cancelled it died before it deleted the copy
        elif view is None:
            self._requests.submit(request, folder.input())
        elif view.request.work != request.work:
            return  # another request with the same id
        elif view.state is RequestState.CANCELLED:
            folder.cancel()
        elif view.state is RequestState.DONE and view.outcome is not None:
            folder.close(view.outcome)

    def _hint_again(self) -> None:
        """Repeat the hint for each waiting request that has none in the queue.

        Hints for long work would be dropped while some is in progress here; an idle trainer
        repeats them, or this one afterwards.
        """
        waiting = self._requests.waiting()
        if waiting and self._long_work.busy:
            waiting = [request_id for request_id in waiting if not self._is_long(request_id)]
        queued = self._queued() if waiting else []
        for request_id in waiting:
            argument = f"'{request_id}'".encode()  # as in Celery's headers
            if not any(argument in message for message in queued):
                self._hint(request_id)

    def _is_long(self, request_id: str) -> bool:
        with suppress(BadMessage):  # damaged
            view = self._requests.get(request_id)
            return view is not None and is_long(view.request.work)
        return False

    def _queued(self) -> list[bytes]:
        """The messages in the queue."""
        return cast(list[bytes], self._client.lrange(keys.TRAIN_QUEUE, 0, HINTS_READ))

    def _clear(self) -> None:
        cancelled_requests.forget_before(self._store, time.time() - RETENTION_S)
        for folder in finished_before(self._store, time.time() - RETENTION_S):
            folder.forget()
        for folder in leftovers(self._store):
            with self._retried():
                view = self._requests.get(folder.id)
                if view is not None and view.state is RequestState.CANCELLED:
                    folder.forget()

    @contextmanager
    def _retried(self) -> Iterator[None]:
        """Suppress errors, since the next round retries. Unexpected ones are logged."""
        try:
            yield
        except BrokerRefuses as error:
            note_refusal(error)
        except (RedisError, OperationalError, HangtagError, OSError) as error:
            log.debug("maintenance failed and is retried: %s", error)
        except Exception as error:
            self._lines.error(f"unexpected error in the trainer's maintenance: {error!r}", error)
