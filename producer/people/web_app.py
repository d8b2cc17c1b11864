"""The application behind the page: stacks, pictures and decisions, as JSON.

Stacks are named by their number, never by a path. Numbers are those of one start of the server: a
page of an earlier one, at the same port, is refused.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import get_args

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from producer.people.application import application
from producer.people.folder_names import FolderNames
from producer.people.folder_queue import Desk
from producer.people.page_files import PageFiles
from producer.people.replies import body, json, no, number, picture
from shared.labels.label_line import OF_A_LABEL, ImageKind
from shared.labels.labels_so_far import Decided

COMMAND = "hangtag label"
MAX_STACKS = 500  #: of one request


class GivenDecision(msgspec.Struct, forbid_unknown_fields=True):
    """A decision about a stack; without a kind nothing is decided any more. `label` of the kind
    `not-this` is the name that it does not have."""

    stack: int
    kind: ImageKind | None = None
    label: str = ""


class Decide(msgspec.Struct, forbid_unknown_fields=True):
    """The body of decisions."""

    decisions: list[GivenDecision]
    #: Stacks that the next page leaves out, since the person has passed over them.
    without: list[int] = []
    #: The next page is chosen by a head that has learned from these decisions.
    settled: bool = False
    #: The reply has a next page.
    next_page: bool = True


class Rename(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a rename."""

    before: str
    after: str


class NameFolders(msgspec.Struct, forbid_unknown_fields=True):
    """What a person says of the names of folders."""

    folders: list[str]
    is_label: bool


def make(desk: Desk, names: FolderNames, files: PageFiles) -> Starlette:
    """The application for one folder."""
    handlers = _Handlers(desk, names)
    routes = [
        Route("/next", handlers.next),
        Route("/similar/{stack}", handlers.similar),
        Route("/together", handlers.together),
        Route("/pictures/{stack}", handlers.picture),
        Route("/decisions", handlers.decide, methods=["POST"]),
        Route("/undo", handlers.undo, methods=["POST"]),
        Route("/rename", handlers.rename, methods=["POST"]),
        Route("/folders", handlers.folders),
        Route("/name-folders", handlers.name_folders, methods=["POST"]),
    ]
    return application(files, Route("/folder", handlers.folder), routes, desk.id, COMMAND)


class _Handlers:
    """One method for each route."""

    def __init__(self, desk: Desk, names: FolderNames) -> None:
        self._desk, self._names = desk, names

    async def folder(self, request: Request) -> Response:
        return await json(self._desk.folder)

    async def next(self, request: Request) -> Response:
        return await json(self._desk.next)

    async def similar(self, request: Request) -> Response:
        stack = self._stack(number(request.path_params["stack"]))
        return await json(lambda: self._desk.similar(stack))

    async def together(self, request: Request) -> Response:
        query = request.query_params
        kinds: dict[str | None, ImageKind] = {kind: kind for kind in get_args(ImageKind)}
        decided = _decided(kinds.get(query.get("kind")), query.get("label", ""))
        if decided is None or decided.kind == "not-this":
            no(HTTPStatus.BAD_REQUEST, "there is no such kind of decision")
        return await json(lambda: self._desk.together(decided))

    async def picture(self, request: Request) -> Response:
        stack = self._stack(number(request.path_params["stack"]))
        return await picture(request, lambda side: self._desk.picture(stack, side))

    async def decide(self, request: Request) -> Response:
        asked = await body(request, Decide)
        if len(asked.decisions) + len(asked.without) > MAX_STACKS:
            no(HTTPStatus.BAD_REQUEST, f"more than {MAX_STACKS} images at once")
        given = {self._stack(one.stack): _decided(one.kind, one.label) for one in asked.decisions}
        without = [self._stack(stack) for stack in asked.without]
        decide = partial(self._desk.decide, settled=asked.settled, next_page=asked.next_page)
        return await json(lambda: decide(given, without))

    async def undo(self, request: Request) -> Response:
        return await json(self._desk.undo)

    async def rename(self, request: Request) -> Response:
        asked = await body(request, Rename)
        return await json(lambda: self._desk.relabel(asked.before, asked.after))

    async def folders(self, request: Request) -> Response:
        return await json(self._names.proposed)

    async def name_folders(self, request: Request) -> Response:
        asked = await body(request, NameFolders)
        answer = partial(self._names.answer, asked.folders, asked.is_label)
        return await json(lambda: self._desk.change(answer))

    def _stack(self, stack: int) -> int:
        if not 0 <= stack < len(self._desk.images.stacks):
            no(HTTPStatus.NOT_FOUND, "there is no such image")
        return stack


def _decided(kind: ImageKind | None, label: str) -> Decided | None:
    """The decision. Raises HTTPException if label and kind do not agree."""
    if bool(label) != (kind in OF_A_LABEL):
        no(HTTPStatus.BAD_REQUEST, "not a decision: label and kind do not agree")
    return None if kind is None else Decided(kind, label)
