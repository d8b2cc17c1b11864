"""The rounds of a trainer's parent: hints that were lost, requests that Redis may forget, models.

A hint may be lost, and a trainer may die; whoever is alive looks after what waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import redis
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared import keys
from shared.broker.location import stack_name
from shared.errors import BrokerRefuses, HangtagError
from shared.ledger import request_store
from shared.ledger.request_states import RequestState
from shared.ledger.requests import RequestLedger
from shared.messages.requests import Request
from shared.registry.mirror_writer import publish
from shared.registry.registry import Registry
from shared.settings import Settings
from worker.lifecycle.access_check import note_refusal
from worker.lifecycle.fork_lock import gate
from worker.requests.workspace import Workspace, finished_before

log = logging.getLogger(__name__)
#: Redis may lose the serving copies; they are put back this often.
PUBLISH_S = 30.0
#: An outcome stays in the store for so long, in case that the same request is made again.
KEEP_S = 7 * 86_400.0
#: Messages of the queue that are looked at.
HINTS_LOOKED_AT = 10_000


class Maintenance(threading.Thread):
    """One per trainer. `hint` queues a hint at a request."""

    def __init__(
        self, client: redis.Redis, settings: Settings, hint: Callable[[str], None]
    ) -> None:
        super().__init__(name="hangtag-rounds", daemon=True)
        self._client, self._settings, self._hint = client, settings, hint
        self._store = settings.store_path
        self._stack = stack_name(settings)
        self._requests = RequestLedger(client, settings.lease_s)
        self._ended = threading.Event()
        self._published = float("-inf")
        self._cards = 0  #: how many were there after publishing
        self._logged: set[str] = set()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self.join(timeout=self._settings.round_s)

    def run(self) -> None:
        self.go()
        while not self._ended.wait(self._settings.round_s):
            self.go()

    def go(self) -> None:
        """One round."""
        for duty in (self._publish, self._keep, self._restore, self._hint_again, self._clear):
            with self._tried_again(), gate.delay_forks():
                duty()

    def _publish(self) -> None:
        due = time.monotonic() - self._published >= PUBLISH_S
        if due or self._cards_there() < self._cards:  # Redis was emptied: workers wait for them
            publish(self._client, Registry(self._store))
            self._published = time.monotonic()
            self._cards = self._cards_there()

    def _cards_there(self) -> int:
        """How many versions of the store Redis has."""
        registry = Registry(self._store)
        names = registry.names()
        cards = [keys.model_card(name, v) for name in names for v in registry.versions(name)]
        return self._client.exists(*cards) if cards else 0

    def _keep(self) -> None:
        """What waits gets into the store: whoever asked may be gone, and Redis be emptied.

        What was cancelled or answered meanwhile is found out by `_restore`, which comes next.
        """
        if not self._settings.redis_url:
            return  # whoever makes a request here keeps it, and forgets it if it is cancelled
        for request_id in self._requests.waiting():
            with self._tried_again():
                self._keep_one(Workspace(self._store, request_id), request_id)

    def _keep_one(self, folder: Workspace, request_id: str) -> None:
        if folder.request() is None and (found := self._requests.handed_in(request_id)):
            folder.keep(*found)

    def _restore(self) -> None:
        """What the store has and Redis does not know is made known to it again, and the reverse."""
        here = not self._settings.redis_url
        for request in request_store.unanswered(self._store, here):
            with self._tried_again():
                # What another stack has its own trainer restores.
                if not here or request_store.owner(self._store, request.id) == self._stack:
                    self._reconcile(request)

    def _reconcile(self, request: Request) -> None:
        folder = Workspace(self._store, request.id)
        view = self._requests.get(request.id)
        if view is None:
            self._requests.submit(request, folder.input())
        elif view.request.work != request.work:
            return  # how that ends says nothing about what is kept
        elif view.state is RequestState.CANCELLED:
            folder.forget()
        elif view.state is RequestState.DONE and view.outcome is not None:
            folder.close(view.outcome)

    def _hint_again(self) -> None:
        """At each request that nobody works on, unless a hint at it is queued."""
        waiting = self._requests.waiting()
        queued = self._queued() if waiting else []
        for request_id in waiting:
            argument = f"'{request_id}'".encode()  # as Celery's headers show it
            if not any(argument in message for message in queued):
                self._hint(request_id)

    def _queued(self) -> list[bytes]:
        """The messages that no trainer has taken."""
        return cast(list[bytes], self._client.lrange(keys.TRAIN_QUEUE, 0, HINTS_LOOKED_AT))

    def _clear(self) -> None:
        for folder in finished_before(self._store, time.time() - KEEP_S):
            folder.forget()

    @contextmanager
    def _tried_again(self) -> Iterator[None]:
        """What fails is tried again in the next round. What nobody expected is logged once."""
        try:
            yield
        except BrokerRefuses as error:
            note_refusal(error)
        except (RedisError, OperationalError, HangtagError, OSError) as error:
            log.debug("to be tried again: %s", error)
        except Exception as error:
            if repr(error) not in self._logged:
                self._logged.add(repr(error))
                log.exception("a round of the trainer failed; the next ones try again")
