"""Who may use the page: the browser that opened its link, and pages of this server only.

A page of another origin can send requests to this port, and with a rebound name read the answers.
So a request needs the cookie of the link's token, this server's name as its host, and no foreign
origin.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from http import HTTPStatus
from typing import Any, Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
#: More than a thousand row numbers.
MAX_BODY_BYTES = 64 << 10
_TOKEN_BYTES = 32
#: After this time a link for one use is void. It is enough for a slow browser to start.
ONE_USE_S = 60.0
_OPEN = "open the link that `{command}` has printed"
_USED = (
    "this link opens the page once, within a minute; open the one that `{command}` has "
    "printed. If no page has opened here, another user of this machine may have used the link: "
    "end `{command}`, and start it without --open"
)
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Wraps the application of a command: refuses requests that are not from its own pages."""

    def __init__(self, app: ASGIApp, port: int, connections: Connections, command: str) -> None:
        self._app, self._port, self._connections = app, port, connections
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        # None until it is made, so that no token equals it.
        self._one_use: str | None = None
        self._one_use_until = 0.0
        # Cookies are shared by all ports of a host.
        self._cookie = f"{command.replace(' ', '-')}-{port}"
        self._command = command
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}

    @property
    def link(self) -> str:
        """The address that opens the page."""
        return self._address(self._token)

    def link_for_one_use(self) -> str:
        """An address that opens the page once, within a minute. It is for the arguments of a
        browser, which every user of the machine can read as long as the browser runs."""
        self._one_use = secrets.token_urlsafe(_TOKEN_BYTES)
        self._one_use_until = time.monotonic() + ONE_USE_S
        return self._address(self._one_use)

    def _address(self, token: str) -> str:
        return f"http://{HOST}:{self._port}/?token={token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        response = self._refusal(request) or self._admission(request)
        app = response if response is not None else self._app
        await app(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        headers = request.headers
        if headers.get("host") not in self._hosts:
            return _refused("this address is not the server's own")
        if not _is_own(headers):
            return _refused("another page sent this request")
        if _length(headers) > MAX_BODY_BYTES:
            return PlainTextResponse("too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return None

    def _admission(self, request: Request) -> Response | None:
        """None for a request with the cookie; a link with the token sets it."""
        if _equal(request.cookies.get(self._cookie), self._token):
            assert request.client is not None
            return None if self._connections.admit(request.client) else _busy()
        token = request.query_params.get("token")
        if request.method != "GET" or not (_equal(token, self._token) or self._is_first_use(token)):
            why = _USED if _equal(token, self._one_use) else _OPEN
            return _refused(why.format(command=self._command))
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        response.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
        return response

    def _is_first_use(self, token: str | None) -> bool:
        in_time = time.monotonic() < self._one_use_until
        if not in_time or not _equal(token, self._one_use):
            return False
        self._one_use_until = 0.0
        return True


def _equal(token: str | None, wanted: str | None) -> bool:
    if token is None or wanted is None:
        return False
    return hmac.compare_digest(token.encode(), wanted.encode())


def _is_own(headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{headers['host']}":
        return False
    # `none`: typed, or opened from another program.
    return headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def _length(headers: Headers) -> int:
    """The announced size; a body without one is refused as too large."""
    if "transfer-encoding" in headers:
        return MAX_BODY_BYTES + 1
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() else MAX_BODY_BYTES + 1


def _busy() -> Response:
    body = {"error": "too many connections at once; close other pages of this server"}
    headers = {"Connection": "close"}
    return JSONResponse(body, HTTPStatus.SERVICE_UNAVAILABLE, headers)


def _refused(why: str) -> Response:
    return PlainTextResponse(f"refused: {why}\n", HTTPStatus.FORBIDDEN)


#: More connections with the cookie are refused with status 503, so that a client cannot fill the
#: memory.
MAX_ADMITTED = 200
#: Connections without the cookie are counted at this interval.
CHECK_S = 1.0
#: A connection that has not sent the cookie until this check is closed, after 10 s. A browser sends
#: its first request at once.
LAST_CHECK = 10
#: When there are more connections without the cookie, the oldest are closed.
MAX_WAITING = 100
#: From this check on. At its first check the server may not have read its request yet.
EARLIEST_CHECK = 2

#: Address and port of the other end, which only one open connection has.
Client = tuple[str, int]


class Abortable(Protocol):
    """The part of `asyncio.Transport` that is used."""

    def abort(self) -> None: ...


class _WithoutCookie:
    """A connection without the cookie so far."""

    def __init__(self, transport: Abortable) -> None:
        self.transport, self.checks = transport, 0


class Connections:
    """Open connections by their client; for one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[Client, _WithoutCookie] = {}  #: the oldest first
        self._admitted: set[Client] = set()
        self._next: asyncio.TimerHandle | None = None

    def opened(self, client: Client, transport: Abortable) -> None:
        """Note a new connection."""
        self._waiting[client] = _WithoutCookie(transport)
        if self._next is None:
            self._check_later()

    def admit(self, client: Client) -> bool:
        """Whether a connection that has sent the cookie may use the page."""
        if client not in self._admitted:
            if len(self._admitted) >= MAX_ADMITTED:
                return False
            self._waiting.pop(client, None)
            self._admitted.add(client)
        return True

    def ended(self, client: Client) -> None:
        """Forget a connection."""
        self._waiting.pop(client, None)
        self._admitted.discard(client)

    def check(self) -> None:
        """Close the connections that wait for too long, or are too many."""
        too_many = len(self._waiting) - MAX_WAITING
        for number, connection in enumerate(list(self._waiting.values())):
            connection.checks += 1
            if connection.checks >= (EARLIEST_CHECK if number < too_many else LAST_CHECK):
                connection.transport.abort()

    def _check_later(self) -> None:
        self._next = asyncio.get_running_loop().call_later(CHECK_S, self._check_now)

    def _check_now(self) -> None:
        self.check()
        self._next = None
        if self._waiting:
            self._check_later()


def watched(connections: Connections) -> type[asyncio.Protocol]:
    """A protocol of uvicorn that notes its connections."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Watched(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if self.client is not None:
                connections.opened(self.client, transport)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self.client is not None:
                connections.ended(self.client)

    return Watched
