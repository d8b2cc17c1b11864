"""Requests that no page sends are refused, each with its status, and decide nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from starlette.types import Message

from producer.locations.row_files import RowFiles
from producer.pages.thumbnails import Thumbnails
from producer.people.answer_arrays import Answers
from producer.people.page_files import Asset, PageFiles
from producer.people.table_decisions import Decisions
from producer.people.table_queue import Desk
from producer.people.table_web_app import make
from producer.sources.job_sources import JobSources
from shared.labels import labels_file
from tests.support.jobs.finished_job import finish, options_of

MAX_BODY_BYTES = 64 << 10
MAX_ROWS = 500
FILES = PageFiles("", {"a.js": Asset("", "text/javascript")})


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    (folder / "photos").mkdir()
    for n in range(3):
        (folder / f"photos/{n}.png").write_bytes(bytes([n + 1]) * 9)
    finish(options_of(folder, b"photos"))
    return folder / "out.csv"


@pytest.fixture
def desk(table: Path) -> Iterator[Desk]:
    answers = Answers(table)
    decisions = Decisions(answers, table, "ada", RowFiles(JobSources(answers.options)))
    with Thumbnails() as thumbnails:
        yield Desk(table, answers, decisions, thumbnails)


def ask(desk: Desk, path: str, body: bytes | None = None) -> int:
    """The status of the reply."""
    url = urlsplit(path.replace("ID", desk.id))
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET" if body is None else "POST",
        "path": url.path,
        "query_string": url.query.encode(),
        "headers": [],
    }
    parts = [(body or b"")[:1000], (body or b"")[1000:]]
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    with ThreadPoolExecutor(1) as pool:  # tests of a browser leave a running loop in this thread
        pool.submit(asyncio.run, make(desk, FILES)(scope, receive, send)).result()
    return statuses[0]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/table", 200),
        ("/rows?id=ID", 200),
        ("/rows?id=ID&label=1&kind=all", 200),
        ("/rows", 409),
        ("/rows?id=other", 409),
        ("/pictures/0?id=other", 409),
        ("/rows?id=ID&kind=some", 400),
        ("/rows?id=ID&start=-1", 400),
        ("/rows?id=ID&start=1e3", 400),
        ("/rows?id=ID&start=\u0663", 400),
        ("/rows?id=ID&start=1234567890", 400),
        ("/rows?id=ID&count=x", 400),
        ("/pictures/3?id=ID", 404),
        ("/pictures/0?id=ID&side=100", 400),
        ("/assets/none.js", 404),
        ("/assets/a.js", 200),
    ],
)
def test_each_address_has_its_status(desk: Desk, path: str, status: int) -> None:
    assert ask(desk, path) == status


@pytest.mark.parametrize(
    ("decisions", "status"),
    [
        ([[0, "Bag"]], 200),
        ([[0, "Bag"]] * MAX_ROWS, 200),
        ([[0, "Bag"]] * (MAX_ROWS + 1), 400),
        ([[3, "Bag"]], 404),
        ([[-1, "Bag"]], 404),
        ([["0", "Bag"]], 400),
        ([[0, "../evil"]], 400),
    ],
)
def test_only_decisions_about_rows_are_saved(
    desk: Desk, table: Path, decisions: list[list[object]], status: int
) -> None:
    log = labels_file.of_table(table)
    log.unlink(missing_ok=True)
    body = msgspec.json.encode({"decisions": decisions})
    assert ask(desk, "/decisions", body) == 409
    assert not log.exists()
    assert ask(desk, "/decisions?id=ID", body) == status
    assert log.exists() == (status == 200)


def test_a_body_is_bounded_whatever_was_announced(desk: Desk) -> None:
    body = msgspec.json.encode({"decisions": []})
    padding = MAX_BODY_BYTES - len(body)
    assert ask(desk, "/decisions?id=ID", body + b" " * padding) == 200
    assert ask(desk, "/decisions?id=ID", body + b" " * (padding + 1)) == 413
