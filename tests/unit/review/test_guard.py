"""A link that a browser gets as an argument, where other users can read it, opens the page once."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from starlette.types import Message, Receive, Scope, Send

from producer.review import guard as guards
from producer.review.guard import HOST, Guard

PORT = 8765


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the page"})


class Reply:
    """The reply to a GET of a link, with a cookie if one is given."""

    def __init__(self, guard: Guard, link: str, cookie: bytes = b"") -> None:
        self.status, self.cookie, self.body = 0, b"", b""
        headers = [(b"host", f"{HOST}:{PORT}".encode()), (b"cookie", cookie)]
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": urlsplit(link).query.encode(),
            "headers": headers,
        }
        # In a thread, since tests of a browser leave a running loop in that of the tests.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, guard(scope, self._receive, self._send)).result()

    async def _receive(self) -> Message:
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.cookie = dict(message["headers"]).get(b"set-cookie", b"").partition(b";")[0]
        else:
            self.body += message["body"]


@pytest.fixture
def guard() -> Guard:
    return Guard(page, PORT)


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


def test_a_link_for_one_use_is_void_after_a_while(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = guard.link_for_one_use()
    later = time.monotonic() + guards.ONE_USE_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert Reply(guard, link).status == 403
    assert Reply(guard, guard.link).status == 303
