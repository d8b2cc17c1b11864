"""The routes of the page that ask about the names of class folders."""

from __future__ import annotations

from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from producer.labelling.desk import Desk
from producer.labelling.folder_names import FolderNames
from producer.labelling.web_app import COMMAND
from producer.local_page.application import check_start
from producer.local_page.replies import body, json


class NameFolders(msgspec.Struct, forbid_unknown_fields=True):
    """What a person says of the names of folders."""

    folders: list[str]
    is_label: bool


def routes(desk: Desk, names: FolderNames) -> list[Route]:
    """Those for one folder."""

    async def folders(request: Request) -> Response:
        check_start(request, desk.id, COMMAND)
        return await json(names.proposed)

    async def name(request: Request) -> Response:
        check_start(request, desk.id, COMMAND)
        asked = await body(request, NameFolders)
        answer = partial(names.answer, asked.folders, asked.is_label)
        return await json(lambda: desk.change(answer))

    return [Route("/folders", folders), Route("/name-folders", name, methods=["POST"])]
