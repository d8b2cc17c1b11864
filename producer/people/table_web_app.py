"""The application behind the page: rows, pictures and decisions, as JSON.

Rows are named by their position (producer/people/answer_arrays.py), never by a path. Positions are
those of one start of the server: a page of an earlier one, at the same port, is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from producer.people.application import application
from producer.people.page_files import PageFiles
from producer.people.replies import body, json, no, number, picture
from producer.people.table_decisions import Refused, Totals
from producer.people.table_queue import Desk
from producer.people.views import ViewKind

COMMAND = "hangtag review"
MAX_ROWS = 500  #: of one request


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


def make(desk: Desk, files: PageFiles) -> Starlette:
    """The application for one table."""
    handlers = _Handlers(desk)
    routes = [
        Route("/rows", handlers.rows),
        Route("/pictures/{position}", handlers.picture),
        Route("/decisions", handlers.decide, methods=["POST"]),
    ]
    return application(files, Route("/table", handlers.table), routes, desk.id, COMMAND)


class _Handlers:
    """One method for each route."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def table(self, request: Request) -> Response:
        return await json(self._desk.table)

    async def rows(self, request: Request) -> Response:
        query = request.query_params
        kind, start = query.get("kind", ViewKind.DOUBTFUL), number(query.get("start", "0"))
        count = min(number(query.get("count", "100")), MAX_ROWS)
        if kind not in list(ViewKind):
            no(HTTPStatus.BAD_REQUEST, "there is no such choice of rows")
        label = query.get("label")
        only = None if label is None else number(label)
        chosen = (ViewKind(kind), only, query.get("folder"), query.get("open") == "1")
        return await json(lambda: self._desk.rows(*chosen, start, count))

    async def picture(self, request: Request) -> Response:
        position = _position(self._desk, request.path_params["position"])
        return await picture(request, lambda side: self._desk.picture(position, side))

    async def decide(self, request: Request) -> Response:
        asked = await body(request, Decide)
        if len(asked.decisions) > MAX_ROWS:
            no(HTTPStatus.BAD_REQUEST, f"more than {MAX_ROWS} rows at once")
        labels = dict[int, str | None]()
        for row, label in asked.decisions:
            labels.pop(_position(self._desk, row), None)  # the last one decides, also its order
            labels[row] = label
        return await json(lambda: _decided(self._desk, labels))


def _decided(desk: Desk, labels: Mapping[int, str | None]) -> DecisionReply:
    refused, copies = desk.decisions.decide(labels)
    return DecisionReply(desk.decisions.labels, desk.totals(), refused, copies)


def _position(desk: Desk, given: str | int) -> int:
    position = number(given) if isinstance(given, str) else given
    if not 0 <= position < len(desk.answers):
        no(HTTPStatus.NOT_FOUND, "there is no such row")
    return position
