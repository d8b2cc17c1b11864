"""An interrupted `hangtag dataset check` continues at the trainer, and the same command has it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from producer.trainer.client import make_request
from producer.trainer.existing import own_open_request
from shared.errors import Exit
from shared.messages import replies
from shared.messages.replies import encode_rows
from shared.messages.requests import CheckDataset, Outcome, Progress, Request
from shared.settings import Settings
from tests.support.pages.planted_check import answer, rows_of, write_files
from tests.support.processes.fleet import Fleet, wait_for
from tests.support.processes.manual_trainer import Hand
from tests.support.servers.redis_server import RedisServer


@pytest.fixture
def hand(server: RedisServer) -> Hand:
    hand = Hand(server)
    hand.live()
    return hand


@pytest.fixture
def fleet(server: RedisServer) -> Iterator[Fleet]:
    with Fleet(server) as fleet:
        yield fleet


def test_the_same_command_resumes_an_open_check(fleet: Fleet, hand: Hand, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    write_files(root)
    command = ("dataset", "check", "photos", "-o", "check.html")
    first = fleet.producer(*command, cwd=tmp_path)
    wait_for("the request", hand.open)
    (request_id,) = hand.open()
    hand.claim(request_id)
    hand.tell(request_id, Progress("loading"))
    first.wait_for_log("loading")
    assert first.interrupt() == Exit.INTERRUPTED, first.story
    assert f"request {request_id} " in first.log
    again = fleet.producer(*command, cwd=tmp_path)
    wait_for("a request", lambda: "loading" in again.log or len(hand.open()) > 1)
    assert hand.open() == [request_id]
    done = Outcome(ok=True, answer=msgspec.Raw(msgspec.json.encode(answer())))
    files = {replies.ROWS_FILE: encode_rows(rows_of(root))}
    hand.answer(request_id, done, files)
    assert again.wait() == Exit.OK, again.story
    assert {"check.csv", "check.html"} <= set(os.listdir(tmp_path))


@pytest.mark.parametrize(
    ("work", "who", "same"),
    [
        (CheckDataset("/photos"), "", True),
        (CheckDataset("/photos", 0.1), "", False),
        (CheckDataset("/photos", corrections="1" * 64), "", False),
        (CheckDataset("/others"), "", False),
        (CheckDataset("/photos"), "ann@elsewhere", False),
    ],
)
def test_only_the_same_check_of_the_same_user_is_resumed(
    server: RedisServer, hand: Hand, work: CheckDataset, who: str, same: bool
) -> None:
    made = make_request(work, "earlier")
    hand.inbox.submit(Request(made.id, made.work, who or made.who, made.created))
    found = own_open_request(Settings(redis_url=server.url), CheckDataset("/photos"))
    assert found == ("earlier" if same else "")
    hand.inbox.cancel("earlier")
    assert own_open_request(Settings(redis_url=server.url), CheckDataset("/photos")) == ""
    server.kill()  # the submission reports it
    assert own_open_request(Settings(redis_url=server.url), CheckDataset("/photos")) == ""
