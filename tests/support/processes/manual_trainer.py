"""A manual trainer: a test stores, reports and answers requests as a trainer does."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from redis.exceptions import RedisError

from shared import keys
from shared.broker.redis_client import connect
from shared.errors import HangtagError
from shared.ledger import heartbeats
from shared.ledger.heartbeats import Heartbeat
from shared.ledger.request_inbox import RequestInbox
from shared.messages.model_card import Metrics
from shared.messages.replies import DataReport, Decided, Trained
from shared.messages.requests import Outcome, Progress, Request
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer
from worker.requests.workspace import Workspace

_PAUSE_S = 0.02
#: Of a server that a test has ended.
_AWAY_S = 20.0
OWNER = "hand:1:1"
#: A reply to a training: not promoted, with an unreadable file.
ANSWER = Trained(
    model="garments@2",
    metrics=Metrics(0.9312, 5_000, 0.2, 0.011, 0.9288, 10_000, 0.21, 0.008),
    decision=Decided("production", 1, 1, False, "production stays garments@1: it is better"),
    seconds=75.3,
    data=DataReport(
        name="photos",
        shape=(28, 28, 1),
        labels=("bag", "boot"),
        training=(90, 9),
        heldout=(5, 1),
        test=(0, 0),
        unreadable=("bag/broken.png: damaged",),
        unreadable_count=1,
        notes=("bag has 10 times the images of boot; --weighted makes up for it",),
    ),
)


class Hand:
    """The only trainer of a server. Once it lives, it stores what clients send."""

    def __init__(self, server: RedisServer, store: Path | None = None) -> None:
        self.server, self.inbox = server, RequestInbox(server.client)
        self.store = store or Path(tempfile.mkdtemp())
        if store is None:
            weakref.finalize(self, shutil.rmtree, self.store, ignore_errors=True)

    def live(self) -> None:
        """Write a heartbeat that outlives any test, and store requests from now on."""
        client = self.server.client
        at_ms = heartbeats.server_ms(client)
        beat = Heartbeat(OWNER, "hand", 1, keys.TRAIN_QUEUE, ["1:1"], [], 0, 0.0, 0, at_ms, 0, {})
        heartbeats.beat(client, beat, ttl_s=600)
        threading.Thread(target=self._store_all, daemon=True).start()

    def open(self) -> list[str]:
        """Ids of the requests that have not ended."""
        return self.inbox.ids()

    def folder(self, request_id: str) -> Workspace:
        """The request in the trainer's store."""
        return Workspace(self.store, request_id)

    def wait_for(self, request_id: str) -> None:
        """Wait until a request is open."""
        wait_for(request_id, lambda: request_id in self.open())

    def claim(self, request_id: str) -> Request:
        """Store a request as soon as it is sent, and report that it runs."""
        self.wait_for(request_id)
        self.inbox.store(self.folder(request_id))
        request = self.folder(request_id).request()
        assert request is not None
        self.inbox.report(request_id, OWNER, Progress("starting"))
        return request

    def tell(self, request_id: str, progress: Progress) -> None:
        """Report progress."""
        assert not self.inbox.report(request_id, OWNER, progress)

    def answer(
        self,
        request_id: str,
        outcome: Outcome | None = None,
        files: Mapping[str, bytes] = {},
    ) -> None:
        """Finish a request with ANSWER, unless another outcome is given."""
        outcome = outcome or Outcome(ok=True, answer=msgspec.Raw(msgspec.json.encode(ANSWER)))
        folder = self.folder(request_id)
        folder.finish(outcome, files)
        assert folder.answer()
        self.inbox.publish(folder)

    def _store_all(self) -> None:
        with connect(self.server.url, "hand") as client:
            inbox, seen = RequestInbox(client), time.monotonic()
            while time.monotonic() - seen < _AWAY_S:
                time.sleep(_PAUSE_S)
                with suppress(RedisError):
                    for request_id in inbox.ids():
                        with suppress(HangtagError):
                            inbox.store(self.folder(request_id))
                    seen = time.monotonic()
