"""A proxy before an HTTP server that lets some requests fail, as a test says."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Fault(NamedTuple):
    """What happens to one request, instead of its response or to it."""

    delay_s: float = 0.0
    drops: bool = False  #: the connection ends before the response
    status: int = 0  #: instead of the server's
    code: str = ""  #: of S3, in the body of that status
    retry_after: str = ""  #: header of that status
    keeps_bytes: int = -1  #: of the body; the connection ends there
    is_silent: bool = False  #: nothing is sent until the proxy is closed


NO_FAULT = Fault()
#: The fault of a request: its line (`GET /path`), and its number, from 0.
Faults = Callable[[str, int], Fault]


class FaultProxy:
    """Listens on loopback. `faults` may be replaced at any time; `requests` has the lines."""

    def __init__(self, port: int, faults: Faults = lambda line, number: NO_FAULT) -> None:
        self.faults = faults
        self.requests: list[str] = []
        self.closing = threading.Event()
        self.silent = threading.Event()  #: set when a request waits for nothing
        self._upstream, self._lock = port, threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy.handle(self)

            do_HEAD = do_GET

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *args: object) -> None:
                pass  # a client that has gone

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        line = f"{request.command} {request.path}"
        with self._lock:
            number = len(self.requests)
            self.requests.append(line)
        fault = self.faults(line, number)
        time.sleep(fault.delay_s)
        if fault.is_silent:
            self.silent.set()
            self.closing.wait()
        if fault.drops or fault.is_silent:
            request.close_connection = True
            return
        if fault.status:
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            self._send(request, fault.status, headers, _error(fault.code).encode())
            return
        status, headers, body = self._forwarded(request)
        if fault.keeps_bytes >= 0:
            request.close_connection = True
        self._send(request, status, headers, body, fault.keeps_bytes)

    def _forwarded(self, request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection("127.0.0.1", self._upstream, timeout=60)
        try:
            upstream.request(request.command, request.path, headers=dict(request.headers.items()))
            response = upstream.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            upstream.close()

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        headers: dict[str, str],
        body: bytes,
        keeps_bytes: int = -1,
    ) -> None:
        with suppress(OSError):  # the client has gone
            request.send_response_only(status)
            own = {"connection", "content-length", "transfer-encoding"}
            for name, value in headers.items():
                if name.lower() not in own or request.command == "HEAD":
                    request.send_header(name, value)
            if request.command != "HEAD":
                request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            if request.command != "HEAD":
                request.wfile.write(body if keeps_bytes < 0 else body[:keeps_bytes])
            request.wfile.flush()

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def fault_proxy(port: int, faults: Faults = lambda line, number: NO_FAULT) -> Iterator[FaultProxy]:
    """A proxy before the server at a port of this machine, for a block."""
    proxy = FaultProxy(port, faults)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()


def some_fail(share: float, *kinds: Fault, seed: int = 1) -> Faults:
    """A share of the requests have one of these faults, always the same ones."""
    chance = random.Random(seed)
    lock = threading.Lock()

    def fault(line: str, number: int) -> Fault:
        with lock:
            return chance.choice(kinds) if chance.random() < share else NO_FAULT

    return fault


def _error(code: str) -> str:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>on purpose</Message></Error>'
