"""An HTTP server with limits on the number and the duration of its connections."""

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

#: Limit on connections of one server, each with a thread. Prometheus has one.
CONNECTIONS = 16
#: Limit on the duration of a connection. A scrape takes 6 s at most.
LIMIT_S = 15.0
_BUSY = b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class _Handler(WSGIRequestHandler):
    timeout = LIMIT_S  # of one read or write

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: a scrape comes every few seconds."""


class BoundedServer(ThreadingMixIn, WSGIServer):
    """Responds with 503 above CONNECTIONS, and closes a connection after `limit_s`."""

    daemon_threads = True
    request_queue_size = 2 * CONNECTIONS  # a client above the limit gets its 503 at once
    limit_s = LIMIT_S

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        """Raises OSError or UnicodeError if the address cannot be used."""
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, _, _, _, address = addresses[0]
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}  #: connection -> when it was accepted
        super().__init__(address[:2], _Handler)  # type: ignore[arg-type]
        self.set_app(app)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a request in a new thread, or respond with 503 if there are too many."""
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
        """Called twice a second: close the connections that have lasted too long."""
        due = time.monotonic() - self.limit_s
        for connection in self._older(due):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # its thread reads the end, or fails to write

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: a client that disconnects is not an error."""

    def _older(self, due: float) -> Iterable[socket.socket]:
        with self._lock:
            return [connection for connection, accepted in self._open.items() if accepted < due]
