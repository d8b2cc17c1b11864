"""Requests in Redis, for clients without the store: an inbox, and copies of what the store has.

A request that a client sends at a broker waits here until a trainer stores it. From then on the
store decides (shared/ledger/request_store.py), and a trainer copies here what it says, with the
progress of the work. A cancellation at a broker waits here as well.

state (hash)   sent: the request, until it is stored; cancel: a client has cancelled it; view: the
               last copy; owner, progress, at_ms: the last report of the process that works on it
input          the bytes that were sent along
files (hash)   the plots of the outcome
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast

import msgspec
import redis
from redis.client import Pipeline

from shared import keys
from shared.errors import MISFITS, BadMessage, ForeignKey, UsageError
from shared.failpoints import failpoint
from shared.ledger.heartbeats import server_ms
from shared.ledger.request_store import (
    RequestFolder,
    RequestState,
    RequestView,
    expired,
    other_work,
)
from shared.messages.requests import Progress, Request, decode_request, encode_request

#: A trainer reports each second; one that is silent for longer has died, or is out of reach.
ALIVE_MS = 30_000
#: How long the copy of a request that has ended stays.
ENDED_MS = 86_400_000
_READ = ("sent", "view", "cancel", "owner", "progress", "at_ms")
T = TypeVar("T")


class RequestInbox:
    """All requests of one server.

    Every method raises redis.exceptions.RedisError if the server is unreachable or full, and
    BadMessage if the request's keys have foreign content.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def submit(self, request: Request, input: bytes | None = None) -> bool:
        """Send a request to the trainers; False if there is one with this id and work.

        Raises:
            UsageError: a request with other work has this id.
        """
        known = self.get(request.check().id)
        if known is None:
            with self._pipe(request.id) as pipe:
                pipe.hsetnx(keys.request(request.id, "state"), "sent", encode_request(request))
                if input is not None:
                    pipe.set(keys.request(request.id, "input"), input, nx=True)
                pipe.zadd(keys.REQUESTS, {request.id: request.created})
                is_new = pipe.execute()[0]
            failpoint("inbox.sent")
            if is_new:
                return True
            known = self.get(request.id)
        if known is not None and known.request.work != request.work:
            raise other_work(request.id)
        return False

    def cancel(self, request_id: str) -> None:
        """Ask the trainers to cancel a request."""
        with self._pipe(request_id) as pipe:
            pipe.hset(keys.request(request_id, "state"), "cancel", "1")
            pipe.zadd(keys.REQUESTS, {request_id: 0}, nx=True)
            pipe.execute()
        failpoint("inbox.cancelled")

    def get(self, request_id: str) -> RequestView | None:
        """The current state of a request; None if Redis has none."""
        found = self._read(request_id)
        if found["view"] is not None:
            view = _decode(request_id, found["view"], RequestView)
        elif found["sent"] is not None:
            view = RequestView(_request(request_id, found["sent"]), RequestState.WAITING)
            view = msgspec.structs.replace(view, is_stored=False)
        else:
            return None
        if view.is_open and found["cancel"] is not None:
            return msgspec.structs.replace(view, state=RequestState.CANCELLED)
        view = _reported(view, found)
        if view.is_open and view.owner and view.silent_s * 1000 < ALIVE_MS:
            view = msgspec.structs.replace(view, state=RequestState.RUNNING)
        return view

    def reported(self, view: RequestView) -> RequestView:
        """What the store has of an open request, with the last report here."""
        return _reported(view, self._read(view.request.id))

    def ids(self) -> list[str]:
        """Ids of the requests that have not ended here, oldest first."""
        with self._pipe() as pipe:
            pipe.zrange(keys.REQUESTS, 0, -1)
            (found,) = pipe.execute()
        return [request_id.decode(errors="replace") for request_id in found]

    def open_requests(self) -> Iterator[Request]:
        """Every open request here that can be read."""
        for request_id in self.ids():
            with suppress(BadMessage):
                view = self.get(request_id)
                if view is not None and view.is_open:
                    yield view.request

    def store(self, folder: RequestFolder) -> None:
        """Store what clients have sent of a request, and copy here what the store has of it.

        Raises:
            BadMessage: it cannot be read.
            SetupError: the store cannot be written.
        """
        with self._pipe(folder.id) as pipe:
            pipe.hmget(keys.request(folder.id, "state"), "sent", "cancel")
            pipe.get(keys.request(folder.id, "input"))
            (request, cancel), input = pipe.execute()
        try:
            if request is not None:
                with suppress(UsageError):  # the copy says which other work has its id
                    folder.submit(decode_request(request), input)
        except BadMessage:
            if cancel is None:
                raise
        if cancel is not None:
            folder.cancel()
        if folder.state is None:  # it was cancelled before, or the folder was deleted
            self.forget(folder.id)
        elif request is not None or not folder.is_open:
            self.publish(folder)

    def publish(self, folder: RequestFolder, with_files: bool = True) -> None:
        """Copy what the store has of a request, if it has any. `with_files`: also the plots of its
        outcome, which clients of this machine read in the store.

        Raises:
            BadMessage: it cannot be read.
        """
        view = folder.view()
        if view is None:  # a trainer may have died while it stored the request
            return
        state, files = keys.request(folder.id, "state"), keys.request(folder.id, "files")
        outcome = view.outcome if with_files else None
        plots = {} if outcome is None else folder.files(outcome)
        with self._pipe(folder.id) as pipe:
            pipe.delete(keys.request(folder.id, "input"))
            if view.is_open:
                waits = msgspec.structs.replace(view, state=RequestState.WAITING)
                pipe.hdel(state, "sent")
                pipe.hset(state, "view", msgspec.json.encode(waits))
                pipe.zadd(keys.REQUESTS, {folder.id: view.request.created})
            else:
                pipe.zrem(keys.REQUESTS, folder.id)
                pipe.delete(state, files)
                pipe.hset(state, "view", msgspec.json.encode(view))
                for name, data in plots.items():
                    pipe.hset(files, name, data)
                for key in (state, files):
                    pipe.pexpire(key, ENDED_MS)
            pipe.execute()
        failpoint("inbox.published")

    def forget(self, request_id: str) -> None:
        """Delete what is in no store."""
        with self._pipe(request_id) as pipe:
            pipe.delete(*(keys.request(request_id, part) for part in ("state", "files", "input")))
            pipe.zrem(keys.REQUESTS, request_id)
            pipe.execute()

    def report(self, request_id: str, owner: str, progress: Progress) -> bool:
        """Report the progress of the work; whether a client has cancelled it."""
        state, report = keys.request(request_id, "state"), msgspec.json.encode(progress)
        at_ms = server_ms(self._client)
        with self._pipe(request_id) as pipe:
            fields = {"owner": owner, "progress": report, "at_ms": at_ms}
            pipe.hset(state, mapping=cast(Any, fields))
            pipe.hget(state, "cancel")
            cancel = pipe.execute()[-1]
        failpoint("inbox.reported")
        return cancel is not None

    def withdraw(self, request_id: str) -> None:
        """Report that no process works on a request; its progress stays."""
        with self._pipe(request_id) as pipe:
            pipe.hdel(keys.request(request_id, "state"), "owner", "at_ms")
            pipe.execute()
        failpoint("inbox.withdrawn")

    def file(self, request_id: str, name: str) -> bytes:
        """A plot of an outcome.

        Raises:
            SetupError: it has expired.
        """
        with self._pipe(request_id) as pipe:
            pipe.hget(keys.request(request_id, "files"), name)
            (data,) = pipe.execute()
        if data is None:
            raise expired(request_id, name)
        return bytes(data)

    def _read(self, request_id: str) -> dict[str, Any]:
        with self._pipe(request_id) as pipe:
            pipe.hmget(keys.request(request_id, "state"), _READ)
            pipe.time()
            values, (seconds, micros) = pipe.execute()
        failpoint("inbox.read")
        return {**dict(zip(_READ, values, strict=True)), "now_ms": seconds * 1000 + micros // 1000}

    @contextmanager
    def _pipe(self, request_id: str = "") -> Iterator[Pipeline]:
        """A transaction, or BadMessage for a key with foreign content."""
        try:
            with self._client.pipeline() as pipe:
                yield pipe
        except ForeignKey as error:
            key = keys.request(request_id, "*") if request_id else keys.REQUESTS
            line = f"what Redis holds under {key!r:.120} is not Hangtag's; delete it"
            raise BadMessage(line) from error


def _reported(view: RequestView, found: dict[str, Any]) -> RequestView:
    if found["progress"] is None:
        return view
    at_ms = found["at_ms"] or b""
    return msgspec.structs.replace(
        view,
        progress=_decode(view.request.id, found["progress"], Progress),
        owner=(found["owner"] or b"").decode(errors="replace"),
        silent_s=max(0, found["now_ms"] - int(at_ms)) / 1000 if at_ms.isdigit() else 0.0,
    )


def _request(request_id: str, data: bytes) -> Request:
    try:
        return decode_request(data)
    except BadMessage as error:
        raise _unreadable(request_id, error) from error


def _decode(request_id: str, data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except MISFITS as error:
        raise _unreadable(request_id, error) from error


def _unreadable(request_id: str, error: Exception) -> BadMessage:
    remedy = f"update Hangtag here, or cancel it with: hangtag cancel {request_id}"
    return BadMessage(f"request {request_id} cannot be read ({error}); {remedy}")
