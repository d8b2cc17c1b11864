"""The ledger of requests: their leases and outcomes, decided in Redis by Lua scripts.

Celery's messages are hints; this is authoritative. A trainer holds a request by a lease, which
runs out unless it is renewed, and a fence, a number that rises with every grant: a trainer that was
suspended past its lease changes nothing. Every write is idempotent, because a command whose reply
was lost may be sent again. Neither claiming, renewing nor finishing creates a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import redis
from redis.exceptions import ResponseError

from shared import keys
from shared.errors import MISFITS, BadMessage, ForeignKey, SetupError, UsageError
from shared.failpoints import failpoint
from shared.ledger.milestones import milestone
from shared.ledger.request_states import (
    Grant,
    RenewalVerdict,
    RequestState,
    RequestVerdict,
    RequestView,
)
from shared.messages.requests import Outcome, Progress, Request, decode_request, encode_request

_SCRIPTS = Path(__file__).parent / "lua" / "request"
#: A request fails after this many trainers in a row died without getting further than before.
MAX_ATTEMPTS = 3
_PARTS = ("state", "files", "input")  #: the keys of a request
#: In a script's error about a key with foreign content.
_FOREIGN = ("BADSTATE", "WRONGTYPE")
T = TypeVar("T")


class RequestLedger:
    """All requests of one server. An outcome expires after `ttl_s`; open requests do not expire.

    Every method raises redis.exceptions.RedisError if the server is unreachable or full, and
    BadMessage if the request's keys have foreign content.
    """

    def __init__(self, client: redis.Redis, lease_s: float, ttl_s: float = 86_400.0) -> None:
        self._client = client
        self._lease_ms = int(lease_s * 1000)
        self._ttl_ms = int(ttl_s * 1000)

    def submit(self, request: Request, input: bytes | None = None) -> bool:
        """Submit a request; False if it exists already, with the same work.

        Raises:
            UsageError: a request with other work has this id.
        """
        beside = () if input is None else (input,)
        known = self._run("submit", request.check().id, encode_request(request), *beside)
        if known is None:
            return True
        if _request(request.id, known).work != request.work:
            raise UsageError(f"request {request.id} exists for other work; choose another id")
        return False

    def open(self) -> list[str]:
        """Ids of the requests that are neither done nor cancelled, oldest first."""
        return [request_id for request_id, _ in self._survey()]

    def waiting(self) -> list[str]:
        """Ids of the open requests without a live lease, oldest first."""
        return [request_id for request_id, waits in self._survey() if waits]

    def claim(self, request_id: str, owner: str, floor: int = 0) -> Grant:
        """Claim a request. A repeated claim of the same owner returns the same result.

        The fence is above `floor`, the highest one in the store: Redis may have lost it.
        EXHAUSTED is a grant as well: to store and send the outcome. A request that this version
        cannot read is released, then BadMessage is raised.
        """
        limits = (self._lease_ms, MAX_ATTEMPTS)
        answer = cast(list[bytes], self._run("claim", request_id, owner, floor, *limits))
        verdict = RequestVerdict(answer[0].decode())
        if len(answer) == 1:
            return Grant(verdict)
        fence = int(answer[1])
        try:
            request = _request(request_id, answer[2])
        except BadMessage:
            self.release(request_id, fence)
            raise
        return Grant(verdict, fence, request, cast(bytes | None, answer[3]), int(answer[4]))

    def renew(self, request_id: str, fence: int, progress: Progress) -> RenewalVerdict:
        """Extend the lease and record the progress; the count of attempts starts again if this is
        further than any attempt was."""
        report = (msgspec.json.encode(progress), milestone(progress))
        answer = cast(bytes, self._run("renew", request_id, fence, self._lease_ms, *report))
        return RenewalVerdict(answer.decode())

    def release(self, request_id: str, fence: int) -> bool:
        """Release a request: the attempt does not count. False if the lease was lost."""
        return self._run("release", request_id, fence) == 1

    def finish(
        self, request_id: str, fence: int, outcome: Outcome, files: Mapping[str, bytes] = {}
    ) -> bool:
        """Store the outcome, completed by the names of `files`, and these plots.

        False if the lease was lost or the request has another outcome; nothing has changed.
        """
        encoded = msgspec.json.encode(msgspec.structs.replace(outcome, files=tuple(files)))
        plots = [part for name_and_data in files.items() for part in name_and_data]
        return self._run("finish", request_id, fence, encoded, self._ttl_ms, *plots) == 1

    def cancel(self, request_id: str) -> bool:
        """Cancel a request; its trainer learns of it by `renew`.

        True if it is cancelled, also before. False if it is done or unknown.
        """
        return self._run("cancel", request_id, self._ttl_ms) == 1

    def get(self, request_id: str) -> RequestView | None:
        """The current state of a request, in one round trip; None if there is none."""
        answer = cast("list[Any] | None", self._run("get", request_id))
        if answer is None:
            return None
        state, request, owner, attempts, progress, outcome, renewed_ms, now_ms = answer
        return RequestView(
            request=_request(request_id, request),
            state=RequestState((state or b"").decode()),
            owner=(owner or b"").decode(errors="replace"),
            attempts=int(attempts or 0),
            progress=_decode(progress, Progress) if progress else None,
            outcome=_decode(outcome, Outcome) if outcome else None,
            silent_s=_silent_s(renewed_ms, now_ms) if owner else 0.0,
        )

    def open_requests(self) -> list[Request]:
        """Every open request in Redis that can be read."""
        requests = []
        for request_id in self.open():
            with suppress(BadMessage):
                stored = self.submitted(request_id)
                requests += [stored[0]] if stored else []
        return requests

    def submitted(self, request_id: str) -> tuple[Request, bytes | None] | None:
        """An open request and the bytes submitted with it, read atomically; None if not open."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hmget(keys.request(request_id, "state"), "status", "request")
            pipe.get(keys.request(request_id, "input"))
            try:
                (status, data), input = pipe.execute()
            except (ResponseError, ForeignKey) as error:
                raise _translated(error, request_id) from error
        return (_request(request_id, data), input) if status == b"open" else None

    def file(self, request_id: str, name: str) -> bytes:
        """A plot of an outcome.

        Raises:
            SetupError: it has expired.
        """
        try:
            data = cast(bytes | None, self._client.hget(keys.request(request_id, "files"), name))
        except (ResponseError, ForeignKey) as error:
            raise _translated(error, request_id) from error
        if data is None:
            raise SetupError(f"{name} of request {request_id} has expired; submit a new request")
        return data

    def _survey(self) -> list[tuple[str, bool]]:
        before, after = keys.request("\n", "state").split("\n")
        answer = cast(list[Any], self._run("survey", "", before, after))
        pairs = zip(answer[::2], answer[1::2], strict=True)
        return [(request_id.decode(errors="replace"), waits == 1) for request_id, waits in pairs]

    def _run(self, name: str, request_id: str, *args: int | str | bytes) -> object:
        script = self._client.register_script(SCRIPTS[name])
        parts = [keys.request(request_id, part) for part in _PARTS]
        try:
            answer = script(keys=[*parts, keys.REQUESTS], args=[request_id, *args])
        except ResponseError as error:
            raise _translated(error, request_id) from error
        failpoint(f"requests.{name}")
        return cast(object, answer)


def _silent_s(renewed_ms: bytes | None, now_ms: int) -> float:
    """The time since a renewal; 0 if that is invalid."""
    if renewed_ms is None or not renewed_ms.isdigit():
        return 0.0
    return max(0, now_ms - int(renewed_ms)) / 1000


def _translated(error: ResponseError | ForeignKey, request_id: str) -> Exception:
    """BadMessage if a key has foreign content, otherwise the error itself."""
    if isinstance(error, ResponseError) and not any(word in str(error) for word in _FOREIGN):
        return error
    key = keys.request(request_id, "*") if request_id else keys.REQUESTS
    return BadMessage(f"what Redis holds under {key!r:.120} is not Hangtag's; delete it")


def _request(request_id: str, data: object) -> Request:
    try:
        request = decode_request(data if isinstance(data, bytes) else b"")
        if request.id != request_id:
            raise BadMessage(f"it contains the id {request.id!r:.80}")
    except BadMessage as error:
        remedy = f"update Hangtag here, or cancel it with: hangtag cancel {request_id}"
        raise BadMessage(f"request {request_id} cannot be read ({error}); {remedy}") from error
    return request


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except MISFITS as error:
        raise BadMessage(f"not the {kind.__name__.lower()} of a request: {error}") from error


def _read(name: str) -> str:
    return (_SCRIPTS / f"{name}.lua").read_text(encoding="utf-8")


_NAMES = ("submit", "claim", "renew", "release", "finish", "cancel", "get", "survey")
#: The Lua text of each operation, by name.
SCRIPTS = {name: _read("prelude") + _read(name) for name in _NAMES}
