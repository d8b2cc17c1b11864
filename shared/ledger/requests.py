"""The ledger of requests: who works on which, and how each ended, decided in Redis by Lua.

Celery's messages are hints; this is the truth. A trainer holds a request by a lease that runs out
unless it is renewed, and by a fence: a number that rises with every grant, so that one that slept
through its lease changes nothing. Every write is idempotent, because clients repeat commands
after a timeout. Neither claiming, renewing nor finishing creates a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import redis
from redis.exceptions import ResponseError

from shared import keys
from shared.errors import MISFITS, BadMessage, SetupError, UsageError
from shared.failpoints import failpoint
from shared.ledger.request_states import (
    Grant,
    RenewalVerdict,
    RequestState,
    RequestVerdict,
    RequestView,
)
from shared.messages.requests import Outcome, Progress, Request, decode_request, encode_request

_SCRIPTS = Path(__file__).parent / "lua" / "request"
#: A request whose trainer died so often is not tried again: it would be the fourth.
MAX_ATTEMPTS = 3
_PARTS = ("state", "files", "input")  #: the keys of a request
#: What a script's error contains where a key holds what is not ours.
_FOREIGN = ("BADSTATE", "WRONGTYPE")
T = TypeVar("T")


class RequestLedger:
    """All requests of one server. An outcome is kept for `ttl_s`; open requests do not expire.

    Every method raises redis.exceptions.RedisError when the server is away or full, and
    BadMessage where what it holds under the request's keys is not ours.
    """

    def __init__(self, client: redis.Redis, lease_s: float, ttl_s: float = 86_400.0) -> None:
        self._client = client
        self._lease_ms = int(lease_s * 1000)
        self._ttl_ms = int(ttl_s * 1000)

    def submit(self, request: Request, input: bytes | None = None) -> bool:
        """Hand a request in; False if it was there already, with the same work.

        Raises:
            UsageError: there is other work under this id.
        """
        beside = () if input is None else (input,)
        known = self._run("submit", request.check().id, encode_request(request), *beside)
        if known is None:
            return True
        if _request(request.id, known).work != request.work:
            raise UsageError(f"request {request.id} asks for other work; choose another id")
        return False

    def open(self) -> list[str]:
        """Ids of the requests that are neither done nor cancelled, oldest first."""
        return [request_id for request_id, _ in self._survey()]

    def waiting(self) -> list[str]:
        """Ids of the open requests that nobody works on, oldest first."""
        return [request_id for request_id, waits in self._survey() if waits]

    def claim(self, request_id: str, owner: str, floor: int = 0) -> Grant:
        """Take a request, or learn why not. An owner that asks again gets the same answer.

        The fence is above `floor`, the highest that the store has seen: Redis may have forgotten.
        A request that no reader of this version understands is given back, then BadMessage.
        """
        outcome = msgspec.json.encode(_exhausted(request_id))
        limits = (self._lease_ms, MAX_ATTEMPTS, outcome, self._ttl_ms)
        answer = cast(list[bytes], self._run("claim", request_id, owner, floor, *limits))
        verdict = RequestVerdict(answer[0].decode())
        if verdict is not RequestVerdict.GRANTED:
            return Grant(verdict)
        fence = int(answer[1])
        try:
            request = _request(request_id, answer[2])
        except BadMessage:
            self.release(request_id, fence)
            raise
        return Grant(verdict, fence, request, cast(bytes | None, answer[3]), int(answer[4]))

    def renew(self, request_id: str, fence: int, progress: Progress) -> RenewalVerdict:
        """Say that the work goes on, and how far it is."""
        where = msgspec.json.encode(progress)
        answer = cast(bytes, self._run("renew", request_id, fence, self._lease_ms, where))
        return RenewalVerdict(answer.decode())

    def release(self, request_id: str, fence: int) -> bool:
        """Give a request back in good order: the attempt does not count. False: it is lost."""
        return self._run("release", request_id, fence) == 1

    def finish(
        self, request_id: str, fence: int, outcome: Outcome, files: Mapping[str, bytes] = {}
    ) -> bool:
        """Hand in how it ended, and the pictures beside it, whose names the outcome then has.

        False: it is no longer ours, or has ended otherwise; nothing has changed.
        """
        told = msgspec.json.encode(msgspec.structs.replace(outcome, files=tuple(files)))
        pictures = [part for name_and_data in files.items() for part in name_and_data]
        return self._run("finish", request_id, fence, told, self._ttl_ms, *pictures) == 1

    def cancel(self, request_id: str) -> bool:
        """Cancel a request; whoever works on it learns it by `renew`.

        True: it is cancelled, now or before. False: it is done, or unknown.
        """
        return self._run("cancel", request_id, self._ttl_ms) == 1

    def get(self, request_id: str) -> RequestView | None:
        """The request as it stands, in one round trip; None if there is none."""
        answer = cast("list[bytes | None] | None", self._run("get", request_id))
        if answer is None:
            return None
        state, request, owner, attempts, progress, outcome = answer
        return RequestView(
            request=_request(request_id, request),
            state=RequestState((state or b"").decode()),
            owner=(owner or b"").decode(errors="replace"),
            attempts=int(attempts or 0),
            progress=_decode(progress, Progress) if progress else None,
            outcome=_decode(outcome, Outcome) if outcome else None,
        )

    def handed_in(self, request_id: str) -> tuple[Request, bytes | None] | None:
        """An open request and what travels beside it, as of one moment; None if it is not open."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hmget(keys.request(request_id, "state"), "status", "request")
            pipe.get(keys.request(request_id, "input"))
            try:
                (status, data), input = pipe.execute()
            except ResponseError as error:
                raise _told(error, request_id) from error
        return (_request(request_id, data), input) if status == b"open" else None

    def file(self, request_id: str, name: str) -> bytes:
        """A picture that belongs to an outcome.

        Raises:
            SetupError: it is not there any more.
        """
        try:
            data = cast(bytes | None, self._client.hget(keys.request(request_id, "files"), name))
        except ResponseError as error:
            raise _told(error, request_id) from error
        if data is None:
            raise SetupError(f"{name} of request {request_id} is gone; ask again for a new one")
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
            raise _told(error, request_id) from error
        failpoint(f"requests.{name}")
        return cast(object, answer)


def _told(error: ResponseError, request_id: str) -> Exception:
    """BadMessage where a key holds what is not ours, or else the error itself."""
    if not any(word in str(error) for word in _FOREIGN):
        return error
    key = keys.request(request_id, "*") if request_id else keys.REQUESTS
    return BadMessage(f"what Redis holds under {key!r:.120} is not Hangtag's; delete it")


def _request(request_id: str, data: object) -> Request:
    try:
        request = decode_request(data if isinstance(data, bytes) else b"")
        if request.id != request_id:
            raise BadMessage(f"it calls itself {request.id!r:.80}")
    except BadMessage as error:
        cure = f"update Hangtag here, or cancel it with: hangtag train --cancel {request_id}"
        raise BadMessage(f"request {request_id} cannot be read ({error}); {cure}") from error
    return request


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except MISFITS as error:
        raise BadMessage(f"no {kind.__name__.lower()} of a request: {error}") from error


def _exhausted(request_id: str) -> Outcome:
    return Outcome(
        ok=False,
        error=f"the trainer died {MAX_ATTEMPTS} times at request {request_id}; "
        "look into the trainer's log, then ask again with a new request",
    )


def _read(name: str) -> str:
    return (_SCRIPTS / f"{name}.lua").read_text(encoding="utf-8")


_NAMES = ("submit", "claim", "renew", "release", "finish", "cancel", "get", "survey")
#: The Lua text of each operation, by name.
SCRIPTS = {name: _read("prelude") + _read(name) for name in _NAMES}
