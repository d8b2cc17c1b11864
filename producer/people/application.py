"""The application of a page: its files, and the routes of its command."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from producer.people.page_files import PageFiles
from producer.people.replies import explain, no


def application(
    files: PageFiles, facts: Route, routes: Iterable[Route], start: str, command: str
) -> Starlette:
    """Serves these files and routes; a refusal has its reason as JSON. `start` is the id of this
    start of the command, which the route `facts` states: a page of an earlier one at the same port
    is refused, since its numbers are those of other rows."""

    async def page(request: Request) -> Response:
        return Response(files.html, media_type="text/html")

    async def asset(request: Request) -> Response:
        found = files.assets.get(request.path_params["name"])
        if found is None:
            no(HTTPStatus.NOT_FOUND, "there is no such file")
        return Response(found.content, media_type=found.media_type)

    def of_this_start(route: Route) -> Route:
        async def checked(request: Request) -> Response:
            if request.query_params.get("id") != start:
                no(HTTPStatus.CONFLICT, f"this page is of an earlier `{command}`; reload it")
            response: Response = await route.endpoint(request)
            return response

        return Route(route.path, checked, methods=list(route.methods or ()))

    own = [Route("/", page), Route("/assets/{name}", asset), facts]
    handlers = {HTTPException: explain}
    return Starlette(routes=[*own, *map(of_this_start, routes)], exception_handlers=handlers)
