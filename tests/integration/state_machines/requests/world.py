"""Redis and its oracle: every step is applied to both, and the results are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from shared import keys
from shared.broker.redis_client import connect
from shared.errors import BadMessage, UsageError
from shared.ledger import heartbeats
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import Grant, RenewalVerdict, RequestState, RequestVerdict
from shared.messages.requests import Outcome, Progress, Request
from tests.integration.state_machines.requests.model import Entry, RequestsModel, same
from tests.mutants.promise import agree, promise
from tests.support.servers.redis_server import RedisServer

IDS = ("a", "b")
#: Longer than a history takes, so leases and outcomes expire only in a step of the history.
LEASE_S = 600.0
TTL_S = 3600.0


class World:
    def __init__(self, server: RedisServer) -> None:
        self.client = connect(server.url, "test")
        self.requests = RequestLedger(self.client, LEASE_S, TTL_S)
        self.model = RequestsModel()
        self.orphans: set[str] = set()  #: ids whose state Redis lost, while other keys remain
        self.tampered = False  #: the list of open requests was changed by another client
        self.client.flushall()

    def submit(self, request: Request, input: bytes | None) -> bool:
        """Return whether the request is new."""
        found: bool | None
        expected = self.model.submit(request, input)
        try:
            found = self.requests.submit(request, input)
        except UsageError:
            found = None
        agree(found, expected)
        if expected:
            self.orphans.discard(request.id)
        return bool(expected)

    def claim(self, request_id: str, owner: str, floor: int) -> Grant:
        expected = self.model.claim(request_id, owner, floor)
        grant = self.requests.claim(request_id, owner, floor)
        agree(grant.verdict, expected)
        if expected in (RequestVerdict.GRANTED, RequestVerdict.EXHAUSTED):
            entry = self.model.entries[request_id]
            agree(grant, Grant(expected, entry.fence, entry.request, entry.input, entry.attempts))
            self._check_renewed(request_id)
        else:
            agree(grant, Grant(expected))
        return grant

    def renew(self, request_id: str, fence: int, progress: Progress) -> RenewalVerdict:
        expected = self.model.renew(request_id, fence, progress)
        agree(self.requests.renew(request_id, fence, progress), expected)
        if expected is RenewalVerdict.OK:
            self._check_renewed(request_id)
        return expected

    def _check_renewed(self, request_id: str) -> None:
        """How long a lease is silent counts from the start of the lease."""
        state = keys.request(request_id, "state")
        until_ms, renewed_ms = self.client.hmget(state, "until_ms", "renewed_ms")
        promise(int(until_ms or 0) - int(renewed_ms or 0) == 1000 * LEASE_S)

    def release(self, request_id: str, fence: int) -> bool:
        expected = self.model.release(request_id, fence)
        agree(self.requests.release(request_id, fence), expected)
        return expected

    def finish(
        self, request_id: str, fence: int, outcome: Outcome, files: Mapping[str, bytes]
    ) -> bool:
        expected = self.model.finish(request_id, fence, outcome, files)
        agree(self.requests.finish(request_id, fence, outcome, files), expected)
        return expected

    def cancel(self, request_id: str) -> bool:
        expected = self.model.cancel(request_id)
        agree(self.requests.cancel(request_id), expected)
        return expected

    def let_lease_end(self, request_id: str) -> None:
        """Expire the lease, as if its trainer had sent no heartbeat for too long."""
        entry = self.model.entries.get(request_id)
        if entry is not None:
            entry.live = False
            now_ms = heartbeats.server_ms(self.client)
            self.client.hset(keys.request(request_id, "state"), "until_ms", str(now_ms))

    def let_ended_expire(self) -> None:
        """Delete ended requests, as if their time to live had passed."""
        for request_id, entry in list(self.model.entries.items()):
            if entry.status != "open":
                self.client.delete(*self._keys_of(request_id))
                del self.model.entries[request_id]

    def flush(self) -> None:
        """Redis loses all data and scripts."""
        self.client.flushall()
        self.client.script_flush()
        self.model = RequestsModel()
        self.orphans.clear()

    def lose_state(self, request_id: str) -> None:
        """Redis loses the state key only."""
        self.client.delete(keys.request(request_id, "state"))
        if self.model.entries.pop(request_id, None):
            self.orphans.add(request_id)
            self.tampered = True

    def list_again(self, request_id: str) -> None:
        """Another client adds a request that is not open to the list of open ones."""
        if request_id not in self.model.open():
            self.client.zadd(keys.REQUESTS, {request_id: 1})
            self.tampered = True

    def tamper(self, request_id: str, field: str, value: bytes | None) -> None:
        """Another client changes a field: every operation refuses and changes nothing."""
        state = keys.request(request_id, "state")
        before = self.client.hget(state, field)
        if before is None:
            return
        if value is None:
            self.client.hdel(state, field)
        else:
            self.client.hset(state, field, value)
        changed = self._dump()
        for operation in (
            lambda: self.requests.claim(request_id, "host:1:1", 0),
            lambda: self.requests.renew(request_id, 1, Progress("training")),
            lambda: self.requests.release(request_id, 1),
            lambda: self.requests.finish(request_id, 1, Outcome(True)),
            lambda: self.requests.cancel(request_id),
            lambda: self.requests.get(request_id),
        ):
            promise(_is_refused(operation))
            agree(self._dump(), changed)
        agree(self.requests.open(), [i for i in self.model.open() if i != request_id])
        self.client.hset(state, field, before)

    def delete_request_field(self, request_id: str) -> None:
        """Another client deletes the request field: the request cannot be submitted again."""
        state = keys.request(request_id, "state")
        before = self.client.hget(state, "request")
        if before is not None:
            self.client.hdel(state, "request")
            changed = self._dump()
            again = self.model.entries[request_id].request
            promise(_is_refused(lambda: self.requests.submit(again, b"input")))
            agree(self._dump(), changed)
            self.client.hset(state, "request", before)

    def _dump(self) -> list[object]:
        names = [name for request_id in IDS for name in self._keys_of(request_id)]
        return [self.client.dump(name) for name in (*names, keys.REQUESTS)]

    def check(self) -> None:
        """Redis agrees with the oracle, and every key of an ended request expires."""
        if not self.tampered:
            self._check_list()
        agree(self.requests.waiting(), self.model.waiting())
        agree(self.requests.open(), self.model.open())
        self._check_list()  # reading it repairs it
        self.tampered = False
        for request_id in IDS:
            if request_id in self.model.entries:
                self._check_view(request_id, self.model.entries[request_id])
            else:
                agree(self.requests.get(request_id), None)
            if request_id not in self.orphans:
                self._check_keys(request_id, self.model.entries.get(request_id))

    def _check_list(self) -> None:
        listed = cast(list[bytes], self.client.zrange(keys.REQUESTS, 0, -1))
        agree([name.decode() for name in listed], self.model.open())

    def _check_view(self, request_id: str, entry: Entry) -> None:
        view = self.requests.get(request_id)
        promise(view is not None)
        assert view is not None
        agree((view.request, view.state), (entry.request, entry.state))
        agree(view.owner, entry.owner if entry.state is RequestState.RUNNING else "")
        promise(view.attempts == entry.attempts)
        agree(view.progress, entry.progress)
        promise(same(view.outcome, entry.outcome))

    def _check_keys(self, request_id: str, entry: Entry | None) -> None:
        names = self._keys_of(request_id)
        with self.client.pipeline(transaction=True) as pipe:
            for name in names:
                pipe.pttl(name)
            pipe.hgetall(names[1])
            pipe.hget(names[0], "until_ms")
            pipe.time()
            *ttls_ms, files, until_ms, now = pipe.execute()
        exist = (True, bool(entry.files), entry.input is not None) if entry else (False,) * 3
        ended = entry is not None and entry.status != "open"
        for expected, ttl_ms in zip(exist, ttls_ms, strict=True):
            agree(ttl_ms != -2, expected)
            promise(not expected or ((0 < ttl_ms <= TTL_S * 1000) if ended else ttl_ms == -1))
        agree({n.decode(): data for n, data in files.items()}, entry.files if entry else {})
        if entry is not None and entry.live and not ended:
            promise(0 < int(until_ms) / 1000 - now[0] <= LEASE_S + 1)

    def _keys_of(self, request_id: str) -> list[str]:
        return [keys.request(request_id, part) for part in ("state", "files", "input")]


def _is_refused(operation: Callable[[], object]) -> bool:
    try:
        operation()
    except BadMessage:
        return True
    return False
