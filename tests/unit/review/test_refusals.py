"""What the guard of the page refuses, although the request may have the cookie."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.types import Message, Receive, Scope, Send

from producer.people.guard import Connections, Guard

HOST = "127.0.0.1"
MAX_BODY_BYTES = 64 << 10
PORT = 8765
OWN = f"{HOST}:{PORT}"
#: A browser sends them with requests of the page itself.
OF_THE_PAGE = {"host": OWN, "origin": f"http://{OWN}", "sec-fetch-site": "same-origin"}


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"the page"})
    else:
        scope["passed"] = True


def asked(guard: Guard, scope: Scope) -> tuple[int, dict[bytes, bytes]]:
    """The status and the headers of the reply."""
    replies: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        replies.append(message)

    # In a thread, since tests of a browser leave a running loop in that of the tests.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, guard(scope, receive, send)).result()
    return (replies[0]["status"], dict(replies[0]["headers"])) if replies else (0, {})


def request(method: str = "GET", query: str = "", **headers: str) -> Scope:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "type": "http",
        "method": method,
        "path": "/",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
    }


@pytest.fixture
def guard() -> Guard:
    return Guard(page, PORT, Connections(), "hangtag review")


@pytest.fixture
def cookie(guard: Guard) -> str:
    _, headers = asked(guard, request(query=guard.link.partition("?")[2], host=OWN))
    return headers[b"set-cookie"].partition(b";")[0].decode()


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"host": OWN}, 200),
        ("GET", {"host": f"localhost:{PORT}"}, 200),
        ("POST", OF_THE_PAGE | {"content-length": str(MAX_BODY_BYTES)}, 200),
        ("GET", {"host": OWN, "sec-fetch-site": "none"}, 200),
        ("GET", {"host": f"evil.example:{PORT}"}, 403),
        ("GET", {"host": HOST}, 403),
        ("GET", {}, 403),
        ("POST", OF_THE_PAGE | {"origin": "http://evil.example"}, 403),
        ("POST", OF_THE_PAGE | {"origin": f"http://{HOST}:1"}, 403),
        ("POST", OF_THE_PAGE | {"origin": "null"}, 403),
        ("GET", {"host": OWN, "sec-fetch-site": "cross-site"}, 403),
        ("GET", {"host": OWN, "sec-fetch-site": "same-site"}, 403),
        ("POST", OF_THE_PAGE | {"content-length": str(MAX_BODY_BYTES + 1)}, 413),
        ("POST", OF_THE_PAGE | {"transfer-encoding": "chunked"}, 413),
        ("POST", OF_THE_PAGE | {"content-length": "-1"}, 413),
    ],
)
def test_only_requests_of_the_page_itself_pass(
    guard: Guard, cookie: str, method: str, headers: dict[str, str], status: int
) -> None:
    assert asked(guard, request(method, cookie=cookie, **headers))[0] == status


def test_a_token_opens_the_page_by_get_alone(guard: Guard) -> None:
    query = guard.link.partition("?")[2]
    assert asked(guard, request("POST", query, host=OWN))[0] == 403
    assert asked(guard, request("GET", query, host=OWN))[0] == 303


def test_a_wrong_token_opens_nothing_while_a_link_for_one_use_waits(guard: Guard) -> None:
    query = guard.link_for_one_use().partition("?")[2]
    assert asked(guard, request(query="token=wrong", host=OWN))[0] == 403
    assert asked(guard, request(query=query, host=OWN))[0] == 303


@pytest.mark.parametrize("cookie", ["wrong", ""])
def test_a_wrong_cookie_opens_nothing(guard: Guard, cookie: str) -> None:
    name = f"hangtag-review-{PORT}={cookie}"
    assert asked(guard, request(host=OWN, cookie=name))[0] == 403


def test_the_start_of_the_server_passes(guard: Guard) -> None:
    scope: Scope = {"type": "lifespan"}
    asked(guard, scope)
    assert scope["passed"]
