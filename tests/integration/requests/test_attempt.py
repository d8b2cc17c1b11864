"""An attempt at a request: it reports its progress, and stops when the request is cancelled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import keys
from shared.broker.redis_client import connect
from shared.ledger.request_inbox import RequestInbox
from shared.ledger.request_store import RequestState, RequestView
from shared.messages.requests import Progress, Remove, Request
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer
from worker.requests import attempt
from worker.requests.attempt import Attempt
from worker.requests.context import RequestStopped
from worker.requests.trainer_state import ShutdownNotice
from worker.requests.workspace import Workspace

REQUEST = Request("tidy-up", Remove("shoes", keep=3), "tester@here", 1.0)


class Held:
    """A request with a running attempt."""

    def __init__(self, server: RedisServer, store: Path) -> None:
        self.server, self.client = server, connect(server.url, "test")
        self.inbox, self.folder = RequestInbox(self.client), Workspace(store, REQUEST.id)
        self.inbox.submit(REQUEST)
        self.inbox.store(self.folder)
        self.ending = ShutdownNotice()
        self.attempt = Attempt(self.inbox, self.folder, "first", self.ending)
        assert self.folder.enter()
        self.attempt.start()

    def view(self) -> RequestView:
        view = self.inbox.get(REQUEST.id)
        assert view is not None
        return view


@pytest.fixture
def held(server: RedisServer, tmp_path: Path) -> Iterator[Held]:
    held = Held(server, tmp_path)
    yield held
    held.attempt.close()
    held.client.close()


def test_the_latest_progress_is_reported(held: Held) -> None:
    held.attempt.report(Progress("training", epoch=3))
    wait_for("the progress", lambda: held.view().progress == Progress("training", epoch=3))
    assert (held.view().state, held.view().owner) == (RequestState.RUNNING, "first")
    held.attempt.close()
    assert held.view().state is RequestState.WAITING


@pytest.mark.parametrize("where", ["here", "at a broker"])
def test_cancelled_work_is_stopped(held: Held, where: str) -> None:
    if where == "here":
        assert held.folder.cancel()
    else:
        held.inbox.cancel(REQUEST.id)
    assert "cancelled" in wait_for("a reason to stop", lambda: held.attempt.why)
    for step in (held.attempt.confirm, lambda: held.attempt.report(Progress("x"))):
        with pytest.raises(RequestStopped):
            step()
    assert held.folder.is_cancelled


def test_a_cancelled_request_confirms_nothing_from_that_moment_on(held: Held) -> None:
    held.folder.cancel()
    with pytest.raises(RequestStopped, match="cancelled"):
        held.attempt.confirm()


def test_without_redis_the_work_continues(held: Held) -> None:
    held.server.kill()
    held.attempt.report(Progress("training"))
    held.attempt.confirm()
    held.server.start()  # with empty data
    wait_for("the report", lambda: held.client.exists(keys.request(REQUEST.id, "state")))


def test_a_trainer_that_ends_stops_its_work(held: Held) -> None:
    held.ending.send()
    with pytest.raises(RequestStopped):
        held.attempt.report(Progress("training"))


def test_work_that_never_reports_is_left_and_cut_short(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(attempt, "GRACE_S", 0.1)
    monkeypatch.setattr(attempt, "end_process", ended.set)
    held.ending.send()
    assert ended.wait(30)
    assert held.folder.attempts == 0
