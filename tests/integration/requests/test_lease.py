"""The lease on a request: work continues while the lease is held and stops when it is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import keys
from shared.broker.redis_client import connect
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import Grant, RenewalVerdict, RequestState, RequestView
from shared.messages.requests import Progress, Prune, Request
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer
from worker.handlers.context import RequestStopped
from worker.requests import lease
from worker.requests.lease import Lease
from worker.requests.shutdown import ShutdownNotice
from worker.requests.workspace import Workspace

ID = "tidy-up"
REQUEST = Request(ID, Prune("shoes", keep=3), "tester@here", 1.0)
LEASE_S = 1.0


class Held:
    """A claimed request with a running lease thread."""

    def __init__(self, server: RedisServer, store: Path) -> None:
        self.server = server
        self.client = connect(server.url, "test")
        self.requests = RequestLedger(self.client, LEASE_S)
        self.requests.submit(REQUEST)
        self.folder = Workspace(store, ID)
        self.grant = self.claim("first")
        self.ending, self.cut = ShutdownNotice(), threading.Event()
        self.lease = Lease(
            self.requests,
            self.folder,
            ID,
            self.grant.fence,
            LEASE_S,
            self.ending,
            self.cut.set,
        )
        self.lease.start()

    def claim(self, owner: str) -> Grant:
        grant = self.requests.claim(ID, owner, self.folder.fence)
        assert self.folder.enter(grant)
        return grant

    def view(self) -> RequestView:
        view = self.requests.get(ID)
        assert view is not None
        return view

    def expire(self) -> None:
        self.client.hset(keys.request(ID, "state"), "until_ms", 0)

    def taken_by(self, owner: str) -> Grant:
        """Expire the lease and claim the request before the lease thread renews it."""

        def claimed() -> Grant | None:
            self.expire()
            grant = self.requests.claim(ID, owner, self.folder.fence)
            return grant if self.folder.enter(grant) else None

        return wait_for("the claim", claimed)

    def stopped(self) -> str:
        """Wait until the work must stop; return the reason."""
        return wait_for("a reason to stop", lambda: self.lease.why)


@pytest.fixture
def held(server: RedisServer, tmp_path: Path) -> Iterator[Held]:
    held = Held(server, tmp_path)
    yield held
    held.lease.close()
    held.client.close()


def test_a_lease_is_renewed_with_the_latest_progress(held: Held) -> None:
    held.lease.report(Progress("training", epoch=3))
    until = held.client.hget(keys.request(ID, "state"), "until_ms")
    wait_for("the progress", lambda: held.view().progress == Progress("training", epoch=3))
    wait_for(
        "a later end",
        lambda: held.client.hget(keys.request(ID, "state"), "until_ms") != until,
    )
    held.lease.confirm()
    assert held.view().state is RequestState.RUNNING


def test_cancelled_work_is_stopped(held: Held) -> None:
    held.requests.cancel(ID)
    assert "cancelled" in held.stopped()
    for step in (
        held.lease.check,
        held.lease.confirm,
        lambda: held.lease.report(Progress("x")),
    ):
        with pytest.raises(RequestStopped):
            step()
    assert held.lease.standing is RenewalVerdict.CANCELLED


def test_work_that_another_trainer_has_claimed_must_not_confirm(held: Held) -> None:
    held.taken_by("second")
    with pytest.raises(RequestStopped):
        held.lease.confirm()
    held.lease.release()
    assert held.view().owner == "second"


def test_the_store_alone_shows_that_another_trainer_has_taken_over(held: Held) -> None:
    """Redis may have lost its data and granted an old fence again."""
    held.folder.enter(Grant(held.grant.verdict, held.grant.fence + 1, REQUEST, None, 1))
    with pytest.raises(RequestStopped):
        held.lease.confirm()


def test_an_expired_lease_that_no_trainer_claimed_is_renewed(held: Held) -> None:
    held.expire()
    held.lease.confirm()
    assert held.view().owner == "first"


def test_without_redis_the_work_continues_and_a_confirmation_waits(held: Held) -> None:
    held.server.kill()
    held.lease.report(Progress("training"))
    confirmed: list[Exception | None] = []

    def confirm() -> None:
        try:
            held.lease.confirm()
            confirmed.append(None)
        except RequestStopped as stopped:
            confirmed.append(stopped)

    waiting = threading.Thread(target=confirm)
    waiting.start()
    waiting.join(2 * lease.RETRY_S)
    assert confirmed == []
    held.server.start()  # with empty data
    waiting.join()
    assert isinstance(confirmed[0], RequestStopped)
    assert held.lease.standing is RenewalVerdict.LOST


def test_a_trainer_that_ends_stops_and_releases_its_work(held: Held) -> None:
    held.ending.send()
    with pytest.raises(RequestStopped):
        held.lease.report(Progress("training"))
    held.lease.release()
    view = held.view()
    assert (view.state, view.attempts) == (RequestState.WAITING, 0)


def test_work_that_never_checks_its_lease_is_released_and_cut_short(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "GRACE_S", 0.1)
    held.ending.send()
    assert held.cut.wait(30)
    assert held.view().state is RequestState.WAITING
