"""The application behind the page: stacks, pictures and decisions, as JSON.

Stacks are named by their number, never by a path. Numbers are those of one start of the server: a
page of an earlier one, at the same port, is refused.
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from producer.labelling.desk import Desk
from producer.local_page.replies import asset, body, explain, json, no, number, picture
from shared.labels.given_label import Kind
from shared.labels.labels_so_far import Decided

MAX_STACKS = 500  #: of one request


class GivenDecision(msgspec.Struct, forbid_unknown_fields=True):
    """A decision about a stack; without a kind nothing is decided any more."""

    stack: int
    kind: Kind | None = None
    label: str = ""


class Decide(msgspec.Struct, forbid_unknown_fields=True):
    """The body of decisions."""

    decisions: list[GivenDecision]
    #: Stacks that the next page leaves out, since the person has passed over them.
    without: list[int] = []
    #: The next page is chosen by a head that has learned from these decisions.
    settled: bool = False


class Rename(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a rename."""

    before: str
    after: str


def make(desk: Desk) -> Starlette:
    """The application for one folder."""
    handlers = _Handlers(desk)
    routes = [
        Route("/", handlers.page),
        Route("/assets/{name}", handlers.asset),
        Route("/folder", handlers.folder),
        Route("/next", handlers.next),
        Route("/similar/{stack}", handlers.similar),
        Route("/pictures/{stack}", handlers.picture),
        Route("/decisions", handlers.decide, methods=["POST"]),
        Route("/undo", handlers.undo, methods=["POST"]),
        Route("/rename", handlers.rename, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: explain})


class _Handlers:
    """One method for each route."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def page(self, request: Request) -> Response:
        return Response(self._desk.page, media_type="text/html")

    async def asset(self, request: Request) -> Response:
        return asset(self._desk.assets, request.path_params["name"])

    async def folder(self, request: Request) -> Response:
        return await json(self._desk.folder)

    async def next(self, request: Request) -> Response:
        self._check(request)
        return await json(self._desk.next)

    async def similar(self, request: Request) -> Response:
        self._check(request)
        stack = self._stack(number(request.path_params["stack"]))
        return await json(lambda: self._desk.similar(stack))

    async def picture(self, request: Request) -> Response:
        self._check(request)
        stack = self._stack(number(request.path_params["stack"]))
        return await picture(request, lambda side: self._desk.picture(stack, side))

    async def decide(self, request: Request) -> Response:
        self._check(request)
        asked = await body(request, Decide)
        if len(asked.decisions) + len(asked.without) > MAX_STACKS:
            no(HTTPStatus.BAD_REQUEST, f"more than {MAX_STACKS} images at once")
        given = {self._stack(one.stack): _decided(one) for one in asked.decisions}
        without = [self._stack(stack) for stack in asked.without]
        return await json(lambda: self._desk.decide(given, without, settled=asked.settled))

    async def undo(self, request: Request) -> Response:
        self._check(request)
        return await json(self._desk.undo)

    async def rename(self, request: Request) -> Response:
        self._check(request)
        asked = await body(request, Rename)
        return await json(lambda: self._desk.relabel(asked.before, asked.after))

    def _check(self, request: Request) -> None:
        if request.query_params.get("id") != self._desk.id:
            no(HTTPStatus.CONFLICT, "this page is of an earlier `hangtag label`; reload it")

    def _stack(self, stack: int) -> int:
        if not 0 <= stack < len(self._desk.images.stacks):
            no(HTTPStatus.NOT_FOUND, "there is no such image")
        return stack


def _decided(given: GivenDecision) -> Decided | None:
    """The decision. Raises HTTPException if label and kind do not agree."""
    if bool(given.label) != (given.kind == "label"):
        no(HTTPStatus.BAD_REQUEST, "not a decision: label and kind do not agree")
    return None if given.kind is None else Decided(given.kind, given.label)
