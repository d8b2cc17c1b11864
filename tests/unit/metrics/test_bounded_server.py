"""The server of the metrics has a bounded number of threads, each for a bounded time."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from producer.metrics.bounded_server import BoundedServer

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

CONNECTIONS = 16
LIMIT_S = 2.0


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"here"]


@pytest.fixture
def server() -> Iterator[BoundedServer]:
    with BoundedServer("127.0.0.1", 0, app) as running:
        running.limit_s = LIMIT_S
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def scraped(server: BoundedServer) -> bytes:
    url = f"http://127.0.0.1:{server.server_port}/"
    with urllib.request.urlopen(url, timeout=10) as response:
        body: bytes = response.read()
    return body


def test_idle_and_slow_clients_hold_a_bounded_number_of_threads_for_a_bounded_time(
    server: BoundedServer,
) -> None:
    assert scraped(server) == b"here"
    before = threading.active_count()
    with ExitStack() as clients:
        sockets = [
            clients.enter_context(socket.create_connection(("127.0.0.1", server.server_port)))
            for _ in range(3 * CONNECTIONS)
        ]
        refused = set[socket.socket]()
        ends = time.monotonic() + 10
        while len(refused) < 2 * CONNECTIONS and time.monotonic() < ends:
            left = [one for one in sockets if one not in refused]
            refused |= {one for one in left if _reply(one).startswith(b"HTTP/1.0 503")}
            assert threading.active_count() - before <= CONNECTIONS
        assert len(refused) == 2 * CONNECTIONS
        open_ones = [one for one in sockets if one not in refused]
        ends = time.monotonic() + 10 * LIMIT_S
        while threading.active_count() > before and time.monotonic() < ends:
            for one in open_ones:  # a client that sends a byte now and then occupies no thread
                _send(one)
            time.sleep(0.1)
        assert threading.active_count() <= before
        assert scraped(server) == b"here"


def _reply(client: socket.socket) -> bytes:
    client.settimeout(0.01)
    try:
        return client.recv(100)
    except OSError:
        return b""


def _send(client: socket.socket) -> None:
    try:
        client.send(b"G")
    except OSError:
        return
