"""Requests that no browser sends: a body that is longer than was announced, and numbers that are
digits of another script. The others are in tests/integration/people/test_attacks.py."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.types import Message

from producer.pages.thumbnails import Thumbnails
from producer.people.answer_arrays import Answers
from producer.people.table_decisions import TableDecisions
from producer.people.table_queue import TableQueue
from producer.people.web_app import make
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from tests.support.jobs.finished_job import finish, options_of

MAX_BODY_BYTES = 64 << 10


class Asked:
    """The application for a table of three rows, without a server."""

    def __init__(self, folder: Path, thumbnails: Thumbnails) -> None:
        (folder / "photos").mkdir()
        for n in range(3):
            (folder / f"photos/{n}.png").write_bytes(bytes([n + 1]) * 9)
        finish(options_of(folder, b"photos"))
        table = folder / "out.csv"
        answers = Answers(table)
        files = RowFiles(JobSources(answers.options))
        decisions = TableDecisions(answers, table, "ada", files)
        self._app = make(TableQueue(table, answers, decisions, thumbnails))
        self.id = msgspec.json.decode(self.ask("/facts")[1])["id"]

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """The status and the content of the reply."""
        url = urlsplit(path)
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET" if body is None else "POST",
            "path": url.path,
            "query_string": url.query.encode(),
            "headers": [],
        }
        parts = [(body or b"")[:1000], (body or b"")[1000:]]
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: Message) -> None:
            sent.append(message)

        with ThreadPoolExecutor(1) as pool:  # tests of a browser leave a running loop here
            pool.submit(asyncio.run, self._app(scope, receive, send)).result()
        return sent[0]["status"], sent[1]["body"]


def test_a_body_is_bounded_whatever_was_announced_and_a_number_has_plain_digits(
    tmp_path: Path,
) -> None:
    with Thumbnails() as thumbnails:
        asked = Asked(tmp_path, thumbnails)
        body = msgspec.json.encode({"decisions": []})
        padding = MAX_BODY_BYTES - len(body)
        decisions = f"/decisions?id={asked.id}"
        assert asked.ask(decisions, body + b" " * padding)[0] == 200
        assert asked.ask(decisions, body + b" " * (padding + 1))[0] == 413
        for start in ("%D9%A3", "1e3", "9" * 5000, ""):  # the first is a digit elsewhere
            assert asked.ask(f"/items?id={asked.id}&start={start}")[0] == 400
        assert asked.ask(f"/items?id={asked.id}&kind=other")[0] == 400
        assert asked.ask(f"/items?id={asked.id}&start=1&count=999&label=1")[0] == 200
        assert asked.ask(decisions, b'{"decisions":[{"item":0}]}')[0] == 200


def test_a_row_gets_a_label_and_what_the_page_of_a_folder_sends_is_refused(tmp_path: Path) -> None:
    with Thumbnails() as thumbnails:
        asked = Asked(tmp_path, thumbnails)
        for path, body in {
            "/decisions": {"decisions": [{"item": 0, "kind": "not-this", "label": "Bag"}]},
            "/rename": {"before": "Bag", "after": "Coat"},
            "/name-folders": {"folders": ["photos"], "is_label": True},
        }.items():
            status, reply = asked.ask(f"{path}?id={asked.id}", msgspec.json.encode(body))
            assert (status, b"error" in reply) == (400, True)
        assert asked.ask(f"/undo?id={asked.id}", b"{}") == (200, b"null")
        assert asked.ask(f"/folders?id={asked.id}") == (200, b"[]")
    assert not list(tmp_path.glob("*.corrections.jsonl"))
