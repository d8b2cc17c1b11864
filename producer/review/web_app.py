"""The application behind the page: rows, pictures and decisions, as JSON.

Rows are named by their position (producer/review/answer_arrays.py), never by a path. Positions are
those of one start of the server: a page of an earlier one, at the same port, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from producer.review.decisions import Refused, Totals
from producer.review.desk import Desk
from producer.review.guard import MAX_BODY_BYTES
from producer.review.views import ViewKind
from shared.errors import MISFITS, HangtagError, UsageError

T = TypeVar("T")
MAX_ROWS = 500  #: of one request
#: Sides of pictures in pixels: in the grid, and one at a time.
SIDES = (192, 768)


class Decide(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a decision."""

    #: Positions of rows and their labels; None: there is no decision any more.
    decisions: list[tuple[int, str | None]]


class DecisionReply(msgspec.Struct):
    """The reply: when it arrives, everything but `refused` is saved."""

    labels: list[str]
    totals: Totals
    refused: list[Refused]
    #: The labels that these rows have now, and other rows, whose files are equal.
    copies: dict[int, str | None]


def make(desk: Desk) -> Starlette:
    """The application for one table."""
    handlers = _Handlers(desk)
    routes = [
        Route("/", handlers.page),
        Route("/assets/{name}", handlers.asset),
        Route("/table", handlers.table),
        Route("/rows", handlers.rows),
        Route("/pictures/{position}", handlers.picture),
        Route("/decisions", handlers.decide, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _explain})


class _Handlers:
    """One method for each route."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def page(self, request: Request) -> Response:
        return Response(self._desk.page, media_type="text/html")

    async def asset(self, request: Request) -> Response:
        asset = self._desk.assets.get(request.path_params["name"])
        if asset is None:
            _no(HTTPStatus.NOT_FOUND, "there is no such file")
        return Response(asset.content, media_type=asset.media_type)

    async def table(self, request: Request) -> Response:
        return await _json(self._desk.table)

    async def rows(self, request: Request) -> Response:
        self._check(request)
        query = request.query_params
        kind, start = query.get("kind", ViewKind.DOUBTFUL), _number(query.get("start", "0"))
        count = min(_number(query.get("count", "100")), MAX_ROWS)
        if kind not in list(ViewKind):
            _no(HTTPStatus.BAD_REQUEST, "there is no such choice of rows")
        label = query.get("label")
        number = None if label is None else _number(label)
        chosen = (ViewKind(kind), number, query.get("folder"), query.get("open") == "1")
        return await _json(lambda: self._desk.rows(*chosen, start, count))

    async def picture(self, request: Request) -> Response:
        self._check(request)
        position = _position(self._desk, request.path_params["position"])
        side = _number(request.query_params.get("side", str(SIDES[0])))
        if side not in SIDES:
            _no(HTTPStatus.BAD_REQUEST, "there is no such size")
        made = await _done(lambda: self._desk.picture(position, side))
        if not made.webp:
            _no(HTTPStatus.UNPROCESSABLE_ENTITY, made.why)
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(made.webp, media_type="image/webp", headers=headers)

    async def decide(self, request: Request) -> Response:
        self._check(request)
        body = await _body(request)
        try:
            asked = msgspec.json.decode(body, type=Decide)
        except MISFITS as error:
            _no(HTTPStatus.BAD_REQUEST, f"not a decision: {error}")
        if len(asked.decisions) > MAX_ROWS:
            _no(HTTPStatus.BAD_REQUEST, f"more than {MAX_ROWS} rows at once")
        labels = dict[int, str | None]()
        for row, label in asked.decisions:
            labels.pop(_position(self._desk, row), None)  # the last one decides, also its order
            labels[row] = label
        return await _json(lambda: _decided(self._desk, labels))

    def _check(self, request: Request) -> None:
        if request.query_params.get("review") != self._desk.review:
            _no(HTTPStatus.CONFLICT, "this page is of an earlier `hangtag review`; reload it")


def _decided(desk: Desk, labels: Mapping[int, str | None]) -> DecisionReply:
    refused, copies = desk.decisions.decide(labels)
    return DecisionReply(desk.decisions.labels, desk.totals(), refused, copies)


async def _json(work: Callable[[], Any]) -> Response:
    """The JSON of what `work` returns."""
    return Response(msgspec.json.encode(await _done(work)), media_type="application/json")


async def _done(work: Callable[[], T]) -> T:
    """What `work` returns, which may read files."""
    try:
        return await run_in_threadpool(work)
    except UsageError as error:
        _no(HTTPStatus.BAD_REQUEST, str(error))
    except HangtagError as error:
        _no(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))


async def _body(request: Request) -> bytes:
    """The body, as long as it is small: the announced length may be wrong."""
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY_BYTES:
                _no(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large")
    except ClientDisconnect:  # a traceback at the terminal would be of no use
        _no(HTTPStatus.BAD_REQUEST, "the body ended early")
    return bytes(body)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        _no(HTTPStatus.BAD_REQUEST, "not a number")
    return int(text)


def _position(desk: Desk, given: str | int) -> int:
    number = _number(given) if isinstance(given, str) else given
    if not 0 <= number < len(desk.answers):
        _no(HTTPStatus.NOT_FOUND, "there is no such row")
    return number


def _no(status: HTTPStatus, why: str) -> NoReturn:
    raise HTTPException(status, why)


async def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = msgspec.json.encode({"error": error.detail})
    return Response(body, error.status_code, media_type="application/json")
