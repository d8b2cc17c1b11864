"""Which requests a trainer takes, and which it leaves; none of them does any work here."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import Grant, RequestVerdict
from shared.messages.requests import Request, Rollback, Work
from shared.messages.training import Train
from shared.settings import Settings
from tests.support.servers.redis_server import RedisServer
from worker.requests.lease import SHUTDOWN, Lease
from worker.requests.long_work import LongWork
from worker.requests.request_consumer import RequestConsumer
from worker.requests.runner import ANSWERED, LEFT
from worker.requests.shutdown import ShutdownNotice
from worker.requests.workspace import Workspace

LONG = Train("shoes", "fast")
#: Fails at once and needs no TensorFlow.
SHORT = Rollback("no-such-model")
#: A fork has started by then, also on a busy machine.
STARTED_WITHIN_S = 60.0


class Trainer:
    """A request consumer with its server, its store, and the lock of its long work."""

    def __init__(self, server: RedisServer, store: Path) -> None:
        self.client, self.store, self.long_work = server.client, store, LongWork()
        settings = Settings(store=str(store), redis_url=server.url)
        self.requests = RequestLedger(self.client, settings.lease_s)
        self._consumer = RequestConsumer(
            settings, self.client, "here", ShutdownNotice(), lambda: None, self.long_work
        )

    def submit(self, name: str, work: Work, *, held: bool = False) -> None:
        """Submit a request; if `held`, another trainer has claimed it."""
        self.requests.submit(Request(name, work, "ann", 1.0))
        if held:
            assert self.requests.claim(name, "there").verdict is RequestVerdict.GRANTED

    def take(self, name: str) -> str:
        return self._consumer.take(name)

    @contextmanager
    def long_work_elsewhere(self) -> Iterator[None]:
        """Another process of this trainer does long work."""
        fork = multiprocessing.get_context("fork")
        started = fork.Event()
        process = fork.Process(target=hold, args=(self.long_work, started))
        process.start()
        try:
            assert started.wait(STARTED_WITHIN_S)
            yield
        finally:
            process.kill()
            process.join()


def hold(long_work: LongWork, started: Event) -> None:
    """Do long work for longer than any test."""
    assert long_work.begin()
    started.set()
    time.sleep(600)


@pytest.fixture
def trainer(server: RedisServer, tmp_path: Path) -> Trainer:
    return Trainer(server, tmp_path / "store")


def test_a_hint_of_a_request_that_is_gone_starts_nothing(trainer: Trainer) -> None:
    assert trainer.take("gone") == RequestVerdict.UNKNOWN
    assert not trainer.store.exists()


@pytest.mark.parametrize("work", [SHORT, LONG])
def test_a_request_that_another_trainer_holds_is_not_taken(trainer: Trainer, work: Work) -> None:
    trainer.submit("r1", work, held=True)
    assert trainer.take("r1") == RequestVerdict.HELD
    assert not trainer.store.exists()
    assert not trainer.long_work.busy


def test_long_work_waits_for_other_long_work_of_its_trainer_and_short_work_does_not(
    trainer: Trainer,
) -> None:
    trainer.submit("short", SHORT)
    trainer.submit("long", LONG, held=True)
    with trainer.long_work_elsewhere():
        assert trainer.take("long") == LEFT
        assert trainer.take("short") == ANSWERED
    assert trainer.take("long") == RequestVerdict.HELD


def test_a_request_is_left_if_a_later_attempt_has_entered_its_folder(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis may have lost its data and granted that fence to another trainer before."""
    trainer.submit("r1", SHORT)
    claim = RequestLedger.claim

    def late(requests: RequestLedger, request_id: str, owner: str, floor: int = 0) -> Grant:
        grant = claim(requests, request_id, owner, floor)
        assert Workspace(trainer.store, request_id).enter(grant)
        return grant

    monkeypatch.setattr(RequestLedger, "claim", late)
    assert trainer.take("r1") == LEFT
    assert trainer.requests.waiting() == ["r1"]
    assert Workspace(trainer.store, "r1").outcome() is None


def test_work_of_a_trainer_that_ends_is_left(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lease, "start", lambda lease: setattr(lease, "why", SHUTDOWN))
    trainer.submit("r1", SHORT)
    assert trainer.take("r1") == LEFT
    assert trainer.requests.waiting() == ["r1"]
