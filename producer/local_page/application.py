"""The application of a page: its files, and the routes of its command."""

from __future__ import annotations

from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from producer.local_page.page_files import PageFiles
from producer.local_page.replies import explain, no


def application(files: PageFiles, routes: list[Route]) -> Starlette:
    """Serves these files and routes; a refusal has its reason as JSON."""

    async def page(request: Request) -> Response:
        return Response(files.html, media_type="text/html")

    async def asset(request: Request) -> Response:
        found = files.assets.get(request.path_params["name"])
        if found is None:
            no(HTTPStatus.NOT_FOUND, "there is no such file")
        return Response(found.content, media_type=found.media_type)

    own = [Route("/", page), Route("/assets/{name}", asset)]
    return Starlette(routes=own + routes, exception_handlers={HTTPException: explain})


def check_start(request: Request, start: str, command: str) -> None:
    """Refuse a page of an earlier server at the same port: its numbers are those of other rows.
    `start` is the id of this one."""
    if request.query_params.get("id") != start:
        no(HTTPStatus.CONFLICT, f"this page is of an earlier `{command}`; reload it")
