"""Requests in Redis, as clients without the store see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from redis.exceptions import ResponseError

from shared import keys
from shared.broker.redis_client import connect
from shared.errors import BadMessage, SetupError, UsageError
from shared.ledger.request_inbox import ALIVE_MS, RequestInbox
from shared.ledger.request_store import RequestState
from shared.messages.requests import Outcome, Progress, Promote, Request, Rollback
from tests.support.jobs import stored_requests
from tests.support.servers.redis_server import RedisServer

REQUEST = Request("r1", Promote("shoes@2"), "ann", 1.0)
PLOT = {"confusion.png": b"a plot"}


@pytest.fixture
def inbox(server: RedisServer) -> Iterator[RequestInbox]:
    with connect(server.url, "test") as client:
        yield RequestInbox(client)


def state_of(inbox: RequestInbox) -> RequestState:
    view = inbox.get("r1")
    assert view is not None
    return view.state


def test_an_id_is_sent_once_and_for_one_work(inbox: RequestInbox) -> None:
    assert inbox.submit(REQUEST)
    assert not inbox.submit(REQUEST)
    with pytest.raises(UsageError, match="request r1 exists for other work"):
        inbox.submit(msgspec.structs.replace(REQUEST, work=Rollback("shoes")))


def test_a_request_that_redis_loses_while_it_is_sent_again_is_no_new_one(
    inbox: RequestInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.submit(REQUEST)
    monkeypatch.setattr(RequestInbox, "get", lambda inbox, request_id: None)
    assert not inbox.submit(REQUEST)


def test_a_request_whose_trainer_is_silent_waits(server: RedisServer, inbox: RequestInbox) -> None:
    inbox.submit(REQUEST)
    inbox.report("r1", "here", Progress("training"))
    assert state_of(inbox) is RequestState.RUNNING
    state = keys.request("r1", "state")
    at_ms = int(server.client.hget(state, "at_ms") or 0)
    server.client.hset(state, "at_ms", at_ms - ALIVE_MS)
    assert state_of(inbox) is RequestState.WAITING


def test_the_end_of_a_request_is_final_and_has_its_plots_if_they_were_copied(
    inbox: RequestInbox, tmp_path: Path
) -> None:
    folder = stored_requests.keep(tmp_path, REQUEST)
    folder.finish(Outcome(ok=True, files=tuple(PLOT)), PLOT)
    assert folder.answer()
    inbox.publish(folder, with_files=False)
    with pytest.raises(SetupError, match="has expired"):
        inbox.file("r1", "confusion.png")
    inbox.publish(folder)
    assert inbox.file("r1", "confusion.png") == b"a plot"
    inbox.cancel("r1")
    assert state_of(inbox) is RequestState.DONE


def test_a_key_of_another_program_is_named_and_a_refusal_is_none(
    server: RedisServer, inbox: RequestInbox
) -> None:
    server.client.set(keys.request("r1", "state"), b"another program's")
    with pytest.raises(BadMessage, match="is not Hangtag's; delete it"):
        inbox.get("r1")
    server.client.config_set("maxmemory", 1)
    with pytest.raises(ResponseError, match="maxmemory"):
        inbox.cancel("r2")
