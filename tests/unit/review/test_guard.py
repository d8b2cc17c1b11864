"""A link that a browser gets as an argument, where other users can read it, opens the page once."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from starlette.types import Message, Receive, Scope, Send

from producer.people.guard import Connections, Guard

HOST = "127.0.0.1"
PORT = 8765


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the page"})


class Reply:
    """The reply to a GET of a link, with a cookie if one is given."""

    def __init__(self, guard: Guard, link: str, cookie: bytes = b"", client: int = 1) -> None:
        self.status, self.cookie, self.body = 0, b"", b""
        self.headers: dict[bytes, bytes] = {}
        headers = [(b"host", f"{HOST}:{PORT}".encode()), (b"cookie", cookie)]
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": urlsplit(link).query.encode(),
            "headers": headers,
            "client": ("127.0.0.1", client),
        }
        # In a thread, since tests of a browser leave a running loop in that of the tests.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, guard(scope, self._receive, self._send)).result()

    async def _receive(self) -> Message:
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
            self.cookie = self.headers.get(b"set-cookie", b"").partition(b";")[0]
        else:
            self.body += message["body"]


@pytest.fixture
def connections() -> Connections:
    return Connections()


@pytest.fixture
def guard(connections: Connections) -> Guard:
    return Guard(page, PORT, connections, "hangtag review")


def test_the_printed_link_opens_the_page_any_number_of_times(guard: Guard) -> None:
    for _ in range(2):
        opened = Reply(guard, guard.link)
        assert opened.status == 303
        assert Reply(guard, "/", opened.cookie).body == b"the page"


def test_a_link_for_one_use_opens_the_page_once(guard: Guard) -> None:
    link = guard.link_for_one_use()
    opened = Reply(guard, link)
    assert opened.status == 303
    again = Reply(guard, link)
    assert (again.status, again.cookie) == (403, b"")
    assert b"once" in again.body
    assert Reply(guard, "/", opened.cookie).body == b"the page"
    assert Reply(guard, link, opened.cookie).body == b"the page"
    assert Reply(guard, guard.link).status == 303


@pytest.mark.parametrize(("after_s", "status"), [(59, 303), (61, 403)])
def test_a_link_for_one_use_is_void_after_a_minute(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, after_s: int, status: int
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    link = guard.link_for_one_use()
    monkeypatch.setattr(time, "monotonic", lambda: now + after_s)
    assert Reply(guard, link).status == status
    assert Reply(guard, guard.link).status == 303


def test_more_connections_than_the_limit_are_refused_until_one_ends(
    guard: Guard, connections: Connections
) -> None:
    cookie = Reply(guard, guard.link).cookie
    for client in range(200):
        assert connections.admit(("127.0.0.1", client))
    over = Reply(guard, "/", cookie, client=200)
    assert (over.status, over.headers[b"connection"]) == (503, b"close")
    assert Reply(guard, "/", cookie, client=0).status == 200
    connections.ended(("127.0.0.1", 0))
    assert Reply(guard, "/", cookie, client=200).status == 200
