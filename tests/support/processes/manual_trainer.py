"""A manual trainer: a test claims, renews and finishes requests as a trainer does."""

from __future__ import annotations

import msgspec

from shared import keys
from shared.ledger import heartbeats
from shared.ledger.heartbeats import Heartbeat
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import Grant, RenewalVerdict, RequestVerdict
from shared.messages.model_card import Metrics
from shared.messages.replies import DataReport, Decided, Trained
from shared.messages.requests import Outcome, Progress
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer

LEASE_S = 20.0
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
    """The only trainer of a server."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.requests = RequestLedger(server.client, LEASE_S)

    def live(self) -> None:
        """Write a heartbeat that outlives any test."""
        client = self.server.client
        at_ms = heartbeats.server_ms(client)
        beat = Heartbeat(OWNER, "hand", 1, keys.TRAIN_QUEUE, ["1:1"], [], 0, 0.0, 0, at_ms, 0, {})
        heartbeats.beat(client, beat, ttl_s=600)

    def wait_for(self, request_id: str) -> None:
        """Wait until a request is open."""
        wait_for(request_id, lambda: request_id in self.requests.open())

    def claim(self, request_id: str) -> Grant:
        """Claim a request as soon as it is open."""
        self.wait_for(request_id)
        grant = self.requests.claim(request_id, OWNER)
        assert grant.verdict is RequestVerdict.GRANTED
        return grant

    def tell(self, request_id: str, grant: Grant, progress: Progress) -> None:
        """Report progress."""
        assert self.requests.renew(request_id, grant.fence, progress) is RenewalVerdict.OK

    def answer(self, request_id: str, grant: Grant, outcome: Outcome | None = None) -> None:
        """Finish a request with ANSWER, unless another outcome is given."""
        outcome = outcome or Outcome(ok=True, answer=msgspec.Raw(msgspec.json.encode(ANSWER)))
        assert self.requests.finish(request_id, grant.fence, outcome)
