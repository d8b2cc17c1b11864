"""What the handlers of a page share: bodies and numbers in, JSON and reasons out."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from producer.people.guard import MAX_BODY_BYTES
from shared.errors import MISFITS, HangtagError, UsageError
from shared.pipes.thumbnail import Thumbnail

T = TypeVar("T")
Body = TypeVar("Body")
#: Sides of pictures in pixels: in the grid and one at a time, on screens of any kind.
SIDES = (192, 384, 768, 1536)


async def json(work: Callable[[], Any]) -> Response:
    """The JSON of what `work` returns."""
    return Response(msgspec.json.encode(await done(work)), media_type="application/json")


async def done(work: Callable[[], T]) -> T:
    """What `work` returns, which may read files."""
    try:
        return await run_in_threadpool(work)
    except UsageError as error:
        no(HTTPStatus.BAD_REQUEST, str(error))
    except HangtagError as error:
        no(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))


async def picture(request: Request, make: Callable[[int], Thumbnail]) -> Response:
    """The picture that `make` returns for the side that is asked for."""
    side = number(request.query_params.get("side", str(SIDES[0])))
    if side not in SIDES:
        no(HTTPStatus.BAD_REQUEST, "there is no such size")
    made = await done(lambda: make(side))
    if not made.webp:
        no(HTTPStatus.UNPROCESSABLE_ENTITY, made.why)
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(made.webp, media_type="image/webp", headers=headers)


async def body(request: Request, form: type[Body]) -> Body:
    """The body, as long as it is small: the announced length may be wrong."""
    read = bytearray()
    try:
        async for part in request.stream():
            read += part
            if len(read) > MAX_BODY_BYTES:
                no(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large")
    except ClientDisconnect:  # a traceback at the terminal would be of no use
        no(HTTPStatus.BAD_REQUEST, "the body ended early")
    try:
        return msgspec.json.decode(bytes(read), type=form)
    except MISFITS as error:
        no(HTTPStatus.BAD_REQUEST, f"not a decision: {error}")


def number(text: str) -> int:
    """The number that a request names."""
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        no(HTTPStatus.BAD_REQUEST, "not a number")
    return int(text)


def no(status: HTTPStatus, why: str) -> NoReturn:
    """Refuse a request."""
    raise HTTPException(status, why)


async def explain(request: Request, error: Exception) -> Response:
    """The reason of a refusal, as JSON."""
    assert isinstance(error, HTTPException)
    reason = msgspec.json.encode({"error": error.detail})
    return Response(reason, error.status_code, media_type="application/json")
