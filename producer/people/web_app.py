"""The application behind a page: what its queue shows, pictures and decisions, as JSON.

Items are named by their number, never by a path. Numbers are those of one start of the server: a
page of an earlier one, at the same port, is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from importlib import resources
from typing import Any, NoReturn, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from producer.pages.page import PALETTE, read
from producer.pages.thumbnails import SIDE_PIXELS
from producer.people.guard import MAX_BODY_BYTES
from producer.people.queue import Decide, Queue, number
from shared.errors import MISFITS, HangtagError, UsageError
from shared.labels.label_line import OF_A_LABEL
from shared.labels.labels_so_far import Decided

T = TypeVar("T")
Body = TypeVar("Body")
MAX_ITEMS = 500  #: of one request
#: Sides of pictures in pixels: in the grid and one at a time, on screens of any kind.
SIDES = tuple(SIDE_PIXELS << step for step in range(4))


class Rename(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a rename."""

    before: str
    after: str


class NameFolders(msgspec.Struct, forbid_unknown_fields=True):
    """What a person says of the names of folders."""

    folders: list[str]
    is_label: bool


def make(queue: Queue) -> Starlette:
    """The application for one queue. A refusal has its reason as JSON."""
    handlers = _Handlers(queue)
    routes = [
        Route("/", handlers.file),
        Route("/assets/{name}", handlers.file),
        Route("/facts", handlers.facts),
        Route("/items", handlers.of_this_start(handlers.items)),
        Route("/pictures/{item}", handlers.of_this_start(handlers.picture)),
        Route("/decisions", handlers.of_this_start(handlers.decide), methods=["POST"]),
        Route("/undo", handlers.of_this_start(handlers.undo), methods=["POST"]),
        Route("/rename", handlers.of_this_start(handlers.rename), methods=["POST"]),
        Route("/folders", handlers.of_this_start(handlers.folders)),
        Route("/name-folders", handlers.of_this_start(handlers.name_folders), methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _explain})


Handler = Callable[[Request], Any]


class _Handlers:
    """One method for each route."""

    def __init__(self, queue: Queue) -> None:
        self._queue, self._start = queue, secrets.token_hex(8)
        scripts = map(_asset, ("page.js", *queue.scripts))
        self._files = {
            "page.html": (_asset("page.html"), "text/html"),
            "page.css": (read(PALETTE) + _asset("page.css"), "text/css"),
            "page.js": ("\n".join(scripts), "text/javascript"),
            "icon.svg": (_asset("icon.svg"), "image/svg+xml"),
        }

    def of_this_start(self, handler: Handler) -> Handler:
        """The handler, for pages of this start of the server only."""

        async def checked(request: Request) -> Response:
            if request.query_params.get("id") != self._start:
                why = f"this page is of an earlier `{self._queue.command}`; reload it"
                _refuse(HTTPStatus.CONFLICT, why)
            response: Response = await handler(request)
            return response

        return checked

    async def file(self, request: Request) -> Response:
        content, kind = self._files.get(request.path_params.get("name", "page.html"), ("", ""))
        if not kind:
            _refuse(HTTPStatus.NOT_FOUND, "there is no such file")
        return Response(content, media_type=kind)

    async def facts(self, request: Request) -> Response:
        return await _json(partial(self._queue.facts, self._start))

    async def items(self, request: Request) -> Response:
        return await _json(partial(self._queue.page, request.query_params))

    async def picture(self, request: Request) -> Response:
        item = self._item(await _done(partial(number, request.path_params["item"])))
        side = request.query_params.get("side", str(SIDES[0]))
        if side not in map(str, SIDES):
            _refuse(HTTPStatus.BAD_REQUEST, "there is no such size")
        made = await _done(partial(self._queue.picture, item, int(side)))
        if not made.webp:
            _refuse(HTTPStatus.UNPROCESSABLE_ENTITY, made.why)
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(made.webp, media_type="image/webp", headers=headers)

    async def decide(self, request: Request) -> Response:
        asked = await _body(request, Decide)
        if len(asked.decisions) + len(asked.without) > MAX_ITEMS:
            _refuse(HTTPStatus.BAD_REQUEST, f"more than {MAX_ITEMS} images at once")
        given = dict[int, Decided | None]()
        for one in asked.decisions:
            if bool(one.label) != (one.kind in OF_A_LABEL):
                _refuse(HTTPStatus.BAD_REQUEST, "not a decision: label and kind do not agree")
            given.pop(self._item(one.item), None)  # the last one decides, also its order
            given[one.item] = None if one.kind is None else Decided(one.kind, one.label)
        for item in asked.without:
            self._item(item)
        return await _json(partial(self._queue.decide, given, asked))

    async def undo(self, request: Request) -> Response:
        return await _json(self._queue.undo)

    async def rename(self, request: Request) -> Response:
        asked = await _body(request, Rename)
        return await _json(partial(self._queue.relabel, asked.before, asked.after))

    async def folders(self, request: Request) -> Response:
        return await _json(self._queue.proposed)

    async def name_folders(self, request: Request) -> Response:
        asked = await _body(request, NameFolders)
        return await _json(partial(self._queue.name_folders, asked.folders, asked.is_label))

    def _item(self, item: int) -> int:
        if not 0 <= item < len(self._queue):
            _refuse(HTTPStatus.NOT_FOUND, "there is no such image")
        return item


def _asset(name: str) -> str:
    return (resources.files("producer.people") / "assets" / name).read_text(encoding="utf-8")


async def _json(work: Callable[[], Any]) -> Response:
    """The JSON of what `work` returns."""
    return Response(msgspec.json.encode(await _done(work)), media_type="application/json")


async def _done(work: Callable[[], T]) -> T:
    """What `work` returns, which may read files."""
    try:
        return await run_in_threadpool(work)
    except UsageError as error:
        _refuse(HTTPStatus.BAD_REQUEST, str(error))
    except HangtagError as error:
        _refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))


async def _body(request: Request, form: type[Body]) -> Body:
    """The body, as long as it is small: the announced length may be wrong."""
    content = bytearray()
    try:
        async for part in request.stream():
            content += part
            if len(content) > MAX_BODY_BYTES:
                _refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large")
    except ClientDisconnect:  # a traceback at the terminal would be of no use
        _refuse(HTTPStatus.BAD_REQUEST, "the body ended early")
    try:
        return msgspec.json.decode(bytes(content), type=form)
    except MISFITS as error:
        _refuse(HTTPStatus.BAD_REQUEST, f"not a decision: {error}")


def _refuse(status: HTTPStatus, why: str) -> NoReturn:
    raise HTTPException(status, why)


async def _explain(request: Request, error: Exception) -> Response:
    """The reason of a refusal, as JSON."""
    assert isinstance(error, HTTPException)
    reason = msgspec.json.encode({"error": error.detail})
    return Response(reason, error.status_code, media_type="application/json")
