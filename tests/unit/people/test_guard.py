"""Who may use a page. What its guard refuses of requests of other pages is in
tests/integration/people/test_attacks.py; here are clocks, counts and what no browser
sends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.types import Message, Receive, Scope, Send

from producer.people.guard import Client, Connections, Guard

HOST = "127.0.0.1"
PORT = 8765
MAX_BODY_BYTES = 64 << 10
EARLIEST_CHECK = 2  # seconds
LAST_CHECK = 10  # seconds
MAX_WAITING = 100  # connections


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the page"})


class Reply:
    """The reply to a request."""

    def __init__(
        self, guard: Guard, link: str, cookie: bytes = b"", client: int = 1, method: str = "GET",
        **headers: str,
    ) -> None:  # fmt: skip
        self.status, self.cookie, self.body = 0, b"", b""
        self.headers: dict[bytes, bytes] = {}
        sent = {"host": f"{HOST}:{PORT}", "cookie": cookie.decode(), **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": "/",
            "query_string": urlsplit(link).query.encode(),
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in sent.items()],
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
        found = {name.decode(): value.decode() for name, value in opened.headers.items()}
        assert found["content-security-policy"].startswith("default-src 'none'; ")
        assert found["x-content-type-options"] == "nosniff"
        assert found["referrer-policy"] == "no-referrer"  # the first address has the token
        assert found["cross-origin-resource-policy"] == "same-origin"
        assert found["cross-origin-opener-policy"] == "same-origin"
        assert found["cache-control"] == "no-store"
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


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"host": f"localhost:{PORT}"}, 200),
        ("GET", {"host": HOST}, 403),
        ("GET", {"host": ""}, 403),
        ("GET", {"sec_fetch_site": "none"}, 200),
        ("POST", {"origin": f"http://{HOST}:{PORT}", "content_length": str(MAX_BODY_BYTES)}, 200),
        ("POST", {"origin": f"http://{HOST}:1"}, 403),
        ("POST", {"content_length": str(MAX_BODY_BYTES + 1)}, 413),
        ("POST", {"transfer_encoding": "chunked"}, 413),
        ("POST", {"content_length": "-1"}, 413),
    ],
)
def test_only_requests_of_the_page_itself_pass(
    guard: Guard, method: str, headers: dict[str, Any], status: int
) -> None:
    cookie = Reply(guard, guard.link).cookie
    assert Reply(guard, "/", cookie, method=method, **headers).status == status


def test_a_token_opens_the_page_by_get_alone(guard: Guard) -> None:
    assert Reply(guard, guard.link, method="POST").status == 403


def test_a_wrong_token_opens_nothing_while_a_link_for_one_use_waits(guard: Guard) -> None:
    link = guard.link_for_one_use()
    assert Reply(guard, "/?token=wrong").status == 403
    assert Reply(guard, link).status == 303


class Closable:
    """Stands for a transport."""

    def __init__(self) -> None:
        self.is_closed = False

    def abort(self) -> None:
        self.is_closed = True


class Crowd:
    """Connections of clients that are numbered from 0."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.connections, self.loop = Connections(), loop
        self.transports: list[Closable] = []

    def open(self, count: int) -> None:
        async def opening() -> None:
            for _ in range(count):
                self.transports.append(Closable())
                self.connections.opened(client(len(self.transports) - 1), self.transports[-1])

        self.run(opening())

    def run(self, work: Coroutine[object, object, None]) -> None:
        """Run it in a thread: in that of the tests, a browser's loop may be running."""
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self.loop.run_until_complete, work).result()

    def check(self, times: int) -> list[int]:
        """The numbers of the connections that are closed after this number of checks."""
        for _ in range(times):
            self.connections.check()
        closed = [number for number, one in enumerate(self.transports) if one.is_closed]
        for number in closed:
            self.connections.ended(client(number))
        return closed


def client(number: int) -> Client:
    return ("127.0.0.1", number)


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    loop = asyncio.new_event_loop()
    yield Crowd(loop)
    loop.close()


def test_a_connection_without_the_cookie_is_closed_after_a_while(crowd: Crowd) -> None:
    crowd.open(3)
    assert crowd.connections.admit(client(1))
    assert crowd.check(LAST_CHECK - 1) == []
    assert crowd.check(1) == [0, 2]
    assert crowd.check(LAST_CHECK) == [0, 2]


def test_of_too_many_without_the_cookie_the_oldest_are_closed(crowd: Crowd) -> None:
    crowd.open(MAX_WAITING + 3)
    assert crowd.check(EARLIEST_CHECK - 1) == []
    assert crowd.check(1) == [0, 1, 2]
    crowd.open(1)
    assert crowd.check(1) == [0, 1, 2, 3]
