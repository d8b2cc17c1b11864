"""Many requests at one moment, each over a connection of its own."""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Sequence
from typing import NamedTuple

from tests.support.processes.review_server import Review

_READ_BYTES = 1 << 16
_END = b"\r\n\r\n"


class Reply(NamedTuple):
    status: int  #: 0: the connection ended without a reply
    body: bytes


class _Exchange:
    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(address)
        self.request, self.received = request, b""

    @property
    def reply(self) -> Reply:
        head, _, body = self.received.partition(_END)
        words = head.split(None, 2)
        return Reply(int(words[1]) if len(words) > 1 else 0, body)


def get(path: str) -> bytes:
    """A request without a body."""
    return f"GET {path} HTTP/1.1\r\n".encode()


def decide(review: Review, position: int, label: str) -> bytes:
    """A decision about one row."""
    given = {"item": position, "kind": "label", "label": label}
    body = json.dumps({"decisions": [given]}).encode()
    target = review.of("/decisions").encode()
    head = b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n" % (target, len(body))
    return head + b"\0" + body


def send(review: Review, requests: Sequence[bytes], limit_s: float) -> list[Reply]:
    """Open all connections, send every request, and wait for every reply. Each is sent as soon as
    its connection is open: the server closes the oldest that have not sent a cookie.

    Raises:
        TimeoutError: a connection is open without a reply.
    """
    host = f"{review.host}:{review.port}"
    own = f"Host: {host}\r\nCookie: {review.cookie}\r\nConnection: close\r\n\r\n".encode()
    waiting, found = selectors.DefaultSelector(), []
    for request in requests:
        head, _, body = request.partition(b"\0")
        one = _Exchange((review.host, review.port), head + own + body)
        found.append(one)
        waiting.register(one.socket, selectors.EVENT_WRITE, one)
        for key, events in waiting.select(0):
            _advance(waiting, key.data, events)
    end = time.monotonic() + limit_s
    while waiting.get_map():
        if time.monotonic() > end:
            raise TimeoutError(f"{len(waiting.get_map())} of {len(requests)} without a reply")
        for key, events in waiting.select(1):
            _advance(waiting, key.data, events)
    waiting.close()
    return [one.reply for one in found]


def _advance(waiting: selectors.BaseSelector, one: _Exchange, events: int) -> None:
    try:
        if events & selectors.EVENT_WRITE:
            one.request = one.request[one.socket.send(one.request) :]
            if not one.request:
                waiting.modify(one.socket, selectors.EVENT_READ, one)
            return
        data = one.socket.recv(_READ_BYTES)
    except OSError:
        data = b""
    one.received += data
    if not data:
        waiting.unregister(one.socket)
        one.socket.close()
