"""Which requests a trainer takes, and which it leaves; none of them does any work here."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from shared import keys
from shared.errors import BadMessage
from shared.ledger.request_inbox import RequestInbox
from shared.ledger.request_store import RequestState
from shared.messages.requests import Request, Rollback, Work
from shared.messages.training import Train
from shared.settings import Settings
from tests.support.servers.redis_server import RedisServer
from worker.requests import runner
from worker.requests.runner import ANSWERED, LEFT, RequestRunner
from worker.requests.trainer_state import LongWork, ShutdownNotice
from worker.requests.workspace import Workspace

LONG = Train("shoes", "fast")
#: Fails at once and needs no TensorFlow.
SHORT = Rollback("no-such-model")
#: A fork has started by then, also on a busy machine.
STARTED_WITHIN_S = 60.0


class Trainer:
    """A request runner with its server, its store, and the lock of its long work."""

    def __init__(self, server: RedisServer, store: Path) -> None:
        self.client, self.store, self.long_work = server.client, store, LongWork()
        settings = Settings(store=str(store), redis_url=server.url)
        self.inbox = RequestInbox(self.client)
        self._runner = RequestRunner(
            settings, self.client, "here", ShutdownNotice(), self.long_work
        )

    def submit(self, name: str, work: Work) -> Workspace:
        """Submit a request; returns its folder in the store."""
        self.inbox.submit(Request(name, work, "ann", 1.0))
        return Workspace(self.store, name)

    def take(self, name: str) -> str:
        return self._runner.take(name)

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
    with long_work.alone(LONG) as is_free:
        assert is_free
        started.set()
        time.sleep(600)


@pytest.fixture
def trainer(server: RedisServer, tmp_path: Path) -> Trainer:
    return Trainer(server, tmp_path / "store")


def test_a_hint_of_a_request_that_is_gone_starts_nothing(trainer: Trainer) -> None:
    assert trainer.take("gone") == LEFT
    assert not trainer.store.exists()


def test_a_request_that_cannot_be_read_is_reported_unless_it_was_cancelled(
    trainer: Trainer,
) -> None:
    trainer.client.hset(keys.request("r1", "state"), "sent", b"{")
    with pytest.raises(BadMessage):
        trainer.take("r1")
    trainer.inbox.cancel("r1")
    assert trainer.take("r1") == LEFT
    assert trainer.inbox.ids() == []


def test_a_hint_of_a_request_of_a_stack_of_another_machine_starts_nothing(trainer: Trainer) -> None:
    """Submitted again here, for example."""
    folder = Workspace(trainer.store, "r1")
    folder.submit(Request("r1", SHORT, "ann", 1.0), stack="elsewhere:/tmp/none")
    assert trainer.take("r1") == LEFT
    assert folder.is_open


@pytest.mark.parametrize("work", [SHORT, LONG])
def test_a_request_that_another_trainer_works_on_is_stored_and_not_taken(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, work: Work
) -> None:
    monkeypatch.setattr(runner, "LOCK_WAIT_S", 0.05)
    folder = trainer.submit("r1", work)
    trainer.inbox.store(folder)
    with folder.locked(0):
        assert trainer.take("r1") == LEFT
    assert trainer.long_work.may_start(LONG)
    assert folder.attempts == 0


def test_long_work_waits_for_other_long_work_of_its_trainer_and_short_work_does_not(
    trainer: Trainer,
) -> None:
    trainer.submit("short", SHORT)
    folder = trainer.submit("long", LONG)
    with trainer.long_work_elsewhere():
        assert trainer.take("long") == LEFT
        assert trainer.take("short") == ANSWERED
    assert trainer.long_work.may_start(LONG), "it ends with its process"
    assert folder.state is RequestState.WAITING
    assert folder.attempts == 0
