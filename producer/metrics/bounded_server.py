"""An HTTP server whose threads and connections are bounded in number and in time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

#: Of one server, each with a thread. Prometheus has one.
CONNECTIONS = 16
#: Limit of a connection's life, from its acceptance. A scrape takes 6 s at most.
LIMIT_S = 15.0
_BUSY = b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class _Handler(WSGIRequestHandler):
    timeout = LIMIT_S  # of one read or write

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: a scrape comes every few seconds."""


class BoundedServer(ThreadingMixIn, WSGIServer):
    """Answers with 503 above CONNECTIONS, and ends a connection after `limit_s`."""

    daemon_threads = True
    request_queue_size = 2 * CONNECTIONS  # a client above the limit gets its answer at once
    limit_s = LIMIT_S

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        """Raises OSError or UnicodeError if the address cannot be used."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, _, _, _, address = found[0]
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}  #: and when each was accepted
        super().__init__(address[:2], _Handler)  # type: ignore[arg-type]
        self.set_app(app)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, if there may be one more."""
        with self._lock:
            free = len(self._open) < CONNECTIONS
            if free:
                self._open[request] = time.monotonic()
        if free:
            super().process_request(request, client_address)
            return
        with suppress(OSError):
            request.setblocking(False)
            request.send(_BUSY)
        self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called twice a second: end the connections that have lasted too long."""
        due = time.monotonic() - self.limit_s
        for one in self._older(due):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # its thread reads the end, or fails to write

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: a client that leaves is no error of ours."""

    def _older(self, due: float) -> Iterable[socket.socket]:
        with self._lock:
            return [one for one, begun in self._open.items() if begun < due]
