"""The open connections of the server. One that has not shown the page's cookie is limited in time
and number, so that no other user of this machine keeps the owner out with idle connections."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

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
