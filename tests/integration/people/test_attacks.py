"""Attacks on the pages of this machine, the same on each: only the page that was opened with the
link reads or decides anything."""

from __future__ import annotations

import http.client
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from producer.job.job_options import JobOptions
from producer.people.guard import MAX_BODY_BYTES
from shared.labels import labels_file
from tests.support.images.drawn_folders import draw
from tests.support.jobs import finished_job
from tests.support.pages.planted_folder import plant
from tests.support.processes.fleet import Fleet
from tests.support.processes.label_server import Label
from tests.support.processes.manual_trainer import Hand
from tests.support.processes.review_server import Review
from tests.support.servers.redis_server import RedisServer

IMAGES = 5


#: What the script of a page reads and sends; each needs the id of the server's start.
READ = (
    "/items", "/items?similar=0", "/items?kind=left-out", "/items?kind=all", "/pictures/0",
    "/folders",
)  # fmt: skip
SENT: dict[str, Any] = {
    "/decisions": {"decisions": [{"item": 0, "kind": "label", "label": "Bag"}]},
    "/undo": {},
    "/rename": {"before": "Bag", "after": "Coat"},
    "/name-folders": {"folders": ["Bag"], "is_label": True},
}
BAG = b'{"item":0,"kind":"label","label":"Bag"}'
STRANGE = (
    b"", b"[]", b"{", b"\xff", b" " * MAX_BODY_BYTES,
    b'{"decisions":[{}]}', b'{"decisions":[[0]]}', b'{"decisions":[[0,"Bag"]]}',
    b'{"decisions":[{"item":"0","kind":"label","label":"Bag"}]}',
    b'{"decisions":[' + BAG + b'],"more":1}',
    b'{"decisions":[{"item":999,"kind":"label","label":"Bag"}]}',
    b'{"decisions":[{"item":-1,"kind":"label","label":"Bag"}]}',
    b'{"decisions":[{"item":0,"kind":"label"}]}', b'{"decisions":[{"item":0,"kind":"not-this"}]}',
    b'{"decisions":[{"item":0,"kind":"left-out","label":"a"}]}',
    b'{"decisions":[{"item":0,"label":"a"}]}', b'{"decisions":[{"item":0,"kind":"other"}]}',
    b'{"decisions":[' + b",".join([BAG] * 501) + b"]}",
    b'{"decisions":[],"without":[' + b",".join([b"0"] * 501) + b"]}",
    b'{"decisions":[],"without":[999]}',
)  # fmt: skip


class Attacked(NamedTuple):
    """A page, the folder of its images, and the file of its decisions."""

    page: Review | Label
    folder: Path
    log: Path

    def saved(self) -> bytes:
        return self.log.read_bytes() if self.log.exists() else b""


@pytest.fixture(scope="module", params=["review", "label"])
def attacked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, server_binary: Path
) -> Iterator[Attacked]:
    """A page that decides nothing, for all attacks."""
    folder = tmp_path_factory.mktemp(request.param)
    opened = _review(folder) if request.param == "review" else _label(folder, server_binary)
    with opened as found:
        try:
            yield found
        finally:
            found.page.end(signal.SIGKILL)


@contextmanager
def _review(folder: Path) -> Iterator[Attacked]:
    draw(folder / "shapes", (5, 8), IMAGES)
    table = folder / "t.csv"
    finished_job.finish(JobOptions((b"shapes",), os.fsencode(folder), str(table)))
    yield Attacked(Review(table), folder / "shapes", labels_file.of_table(table))


@contextmanager
def _label(folder: Path, server_binary: Path) -> Iterator[Attacked]:
    with RedisServer(server_binary) as server, Fleet(server) as fleet:
        hand = Hand(server)
        hand.live()
        label = Label(fleet, hand, plant(folder / "photos", IMAGES))
        yield Attacked(label, folder / "photos", label.file)


def every_request(attacked: Attacked) -> list[tuple[str, str, Any]]:
    """Method, address and body of each request of the page's own script."""
    of = attacked.page.of
    reads = ["/", "/facts", "/assets/page.js", *map(of, READ)]
    posts = [("POST", of(path), body) for path, body in SENT.items()]
    return [("GET", path, None) for path in reads] + posts


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_foreign_page_reads_and_decides_nothing(
    attacked: Attacked, headers: dict[str, str]
) -> None:
    for request in every_request(attacked):
        assert attacked.page.ask(*request, **headers)[0] == 403
    assert attacked.saved() == b""


@pytest.mark.parametrize("cookie", ["", "hangtag-review=x", "wrong", "other port"])
def test_without_the_token_nothing_is_answered(attacked: Attacked, cookie: str) -> None:
    own = attacked.page.cookie
    name, _, token = own.partition("=")
    cookie = {
        "wrong": f"{own[:-1]}{'A' if own[-1] != 'A' else 'B'}",
        "other port": f"{name}0={token}",
    }.get(cookie, cookie)
    for request in every_request(attacked):
        assert attacked.page.ask(*request, cookie=cookie)[0] == 403
    assert attacked.saved() == b""


def test_a_page_of_an_earlier_start_reads_and_decides_nothing(attacked: Attacked) -> None:
    """Its numbers and the pictures in the browser's cache may be those of other images."""
    for path in (*READ, *SENT):
        method = "POST" if path in SENT else "GET"
        for wrong in (path, f"{path}{'&' if '?' in path else '?'}id=other"):
            status, _, body = attacked.page.ask(method, wrong, SENT.get(path))
            assert status == 409
            assert b"reload it" in body
    assert attacked.saved() == b""


@pytest.mark.parametrize(
    "path",
    [
        "/pictures/999999",
        "/pictures/-1",
        "/pictures/1e3",
        "/pictures/x",
        "/pictures/..%2f..%2fetc%2fpasswd",
        "/pictures/0?side=100000",
        "/assets/..%2fguard.py",
        "/assets/none.js",
        "/etc/passwd",
        "/items?start=-1&similar=x",
        "/items?kind=../..&similar=999999",
        "/items?kind=label",
        "/items?kind=label&label=none",
        "/items?kind=other&label=none",
        "/items?kind=left-out&label=none",
    ],
)
def test_only_what_the_page_shows_is_served(attacked: Attacked, path: str) -> None:
    status, headers, body = attacked.page.ask("GET", attacked.page.of(path))
    assert status in (400, 404)
    assert headers["content-type"] == "application/json"
    assert b"root:" not in body


def test_a_strange_body_decides_nothing(attacked: Attacked) -> None:
    for body in STRANGE:
        assert 400 <= sent(attacked.page, "/decisions", body) < 500, body[:99]
    for path in SENT:
        assert sent(attacked.page, path, b" " * (MAX_BODY_BYTES + 1)) == 413
        assert attacked.page.ask("GET", attacked.page.of(path))[0] == 405
    assert attacked.saved() == b""


def sent(page: Review | Label, path: str, body: bytes) -> int:
    """The status of the reply to a body."""
    connection = http.client.HTTPConnection(page.host, page.port, timeout=30)
    try:
        connection.request("POST", page.of(path), body, {"Cookie": page.cookie})
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_cookie_is_for_this_page_alone(attacked: Attacked) -> None:
    page = attacked.page
    cookie = page.ask("GET", f"/?token={page.token}", cookie="")[1]["set-cookie"].lower()
    assert {"httponly", "samesite=strict"} <= {part.strip() for part in cookie.split(";")}


def test_the_policy_allows_own_content_only(attacked: Attacked) -> None:
    for request in (*every_request(attacked)[:3], ("GET", "/nowhere"), ("GET", "/pictures/0")):
        headers = attacked.page.ask(*request)[1]
        assert headers["content-security-policy"].startswith("default-src 'none'; ")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_a_picture_is_encoded_again(attacked: Attacked) -> None:
    status, headers, body = attacked.page.ask("GET", attacked.page.of("/pictures/0"))
    assert (status, headers["content-type"], body[8:12]) == (200, "image/webp", b"WEBP")
    assert not any(body in path.read_bytes() for path in attacked.folder.rglob("*.png"))


def test_it_listens_at_one_address_of_this_machine_only(attacked: Attacked) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", attacked.page.port), timeout=5)
