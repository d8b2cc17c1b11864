"""One request at a trainer: whether it is taken; it ends once, and its outcome is stored before it
is reported."""

from __future__ import annotations

import errno
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

import msgspec
import pytest
from redis.exceptions import OutOfMemoryError, ResponseError

from shared import keys
from shared.broker.address import address_of
from shared.broker.redis_client import connect
from shared.errors import BadMessage, BrokerRefuses
from shared.ledger.request_inbox import RequestInbox
from shared.ledger.request_store import RequestFolder, RequestState, RequestView
from shared.messages.requests import (
    Outcome,
    Progress,
    Promote,
    Remove,
    Request,
    Rollback,
    Work,
)
from shared.messages.training import Train
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.jobs import stored_requests
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer
from worker.requests import runner
from worker.requests.attempt import Attempt
from worker.requests.context import Reply
from worker.requests.runner import ANSWERED, LEFT, RequestRunner
from worker.requests.trainer_state import LongWork, ShutdownNotice
from worker.requests.workspace import Workspace

MAX_ATTEMPTS = 3
ID = "one"
#: Fails at once and needs no TensorFlow.
NOTHING = Rollback("no-such-model")
LONG = Train("shoes", "fast")


def execute(server: RedisServer, line: str) -> object:
    """Execute a command of the server's administrator."""
    return server.client.execute_command(line)  # type: ignore[no-untyped-call]


class Trainer:
    """A request runner with its server and store."""

    def __init__(self, server: RedisServer, store: Path) -> None:
        self.server = server
        self.settings = Settings(store=str(store), redis_url=server.url)
        execute(server, "ACL SETUSER trainer on >x ~* &* +@all")
        address = msgspec.structs.replace(address_of(server.url), user="trainer", password="x")
        self.client = connect(address, "test")
        self.inbox = RequestInbox(self.client)
        self.folder, self.long_work = Workspace(store, ID), LongWork()
        self._runner = RequestRunner(
            self.settings, self.client, "here:1:1/2:2", ShutdownNotice(), self.long_work
        )

    def close(self) -> None:
        self.client.close()

    def take(self, work: Work = NOTHING, input: bytes | None = None) -> str:
        """Submit a request and take it."""
        self.submit(ID, work, input)
        return self.hint(ID)

    def hint(self, request_id: str) -> str:
        """Take a request."""
        return self._runner.take(request_id)

    def submit(self, request_id: str, work: Work, input: bytes | None = None) -> Workspace:
        """Submit a request; returns its folder in the store."""
        self.inbox.submit(Request(request_id, work, "tester@here", 1.0), input)
        return Workspace(self.settings.store_path, request_id)

    @contextmanager
    def long_work_elsewhere(self) -> Iterator[None]:
        """Another process of this trainer does long work."""
        fork = multiprocessing.get_context("fork")
        started = fork.Event()
        process = fork.Process(target=hold, args=(self.long_work, started))
        process.start()
        try:
            wait_for("its start or end", lambda: started.is_set() or not process.is_alive())
            assert started.is_set()
            yield
        finally:
            process.kill()
            process.join()

    def view(self) -> RequestView:
        view = self.inbox.get(ID)
        assert view is not None
        return view

    def fault(self) -> str:
        """What the request waits for."""
        view = self.inbox.get(ID)
        return "" if view is None or view.progress is None else view.progress.fault

    def error(self) -> str:
        """The error that is reported to the submitter."""
        outcome = self.view().outcome
        assert outcome is not None
        return outcome.error


def hold(long_work: LongWork, started: Event) -> None:
    """Do long work for longer than any test."""
    with long_work.alone(LONG) as is_free:
        assert is_free
        started.set()
        time.sleep(600)


@pytest.fixture
def trainer(server: RedisServer, tmp_path: Path) -> Iterator[Trainer]:
    with closing(Trainer(server, tmp_path / "store")) as trainer:
        yield trainer


def test_a_request_that_is_cancelled_before_its_outcome_counts_stays_cancelled(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Workspace.finish

    def late(folder: Workspace, outcome: Outcome, files: Mapping[str, bytes]) -> None:
        original(folder, outcome, files)
        assert RequestFolder(trainer.settings.store_path, ID).cancel()

    monkeypatch.setattr(Workspace, "finish", late)
    assert trainer.take() == LEFT
    assert (trainer.folder.outcome(), trainer.folder.work.exists()) == (None, False)
    assert trainer.view().state is RequestState.CANCELLED


def publish_three(trainer: Trainer) -> Registry:
    card, registry = packaged.card(), Registry(trainer.settings.store_path)
    for _ in range(3):
        registry.publish(
            msgspec.structs.replace(card, name="shoes", files={}), {"model.tflite": b"a model"}
        )
    return registry


#: Commands that make a server refuse writes, and those that end it.
OUTAGES = {
    "replica": ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
    "replicas": ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
    "access": ("ACL SETUSER trainer -@all", "ACL SETUSER trainer +@all"),
}


@pytest.mark.parametrize(
    ("outage", "step", "work"),
    [
        ("replica", (Attempt, "report"), Promote("shoes@2")),
        ("replicas", (Attempt, "report"), Promote("shoes@2")),
        ("access", (Attempt, "report"), Remove("shoes", keep=1)),
    ],
)
def test_work_waits_until_the_server_accepts_writes_again(
    trainer: Trainer,
    server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    outage: str,
    step: tuple[type, str],
    work: Work,
) -> None:
    begin, end = OUTAGES[outage]
    publish_three(trainer)
    original, begun = getattr(*step), list[object]()

    def late(*args: object) -> object:
        result = original(*args)
        if not begun:
            begun.append(execute(server, begin))
        return result

    def recover() -> None:
        wait_for("its log line", lambda: " wait" in caplog.text)
        execute(server, end)

    monkeypatch.setattr(*step, late)
    recovery = threading.Thread(target=recover)
    recovery.start()
    assert trainer.take(work) == ANSWERED
    recovery.join()
    outcome = trainer.view().outcome
    assert outcome is not None
    assert outcome.ok, outcome.error


def test_work_that_redis_refuses_waits_for_its_right_and_says_so(trainer: Trainer) -> None:
    execute(trainer.server, "ACL SETUSER trainer -zrange")
    taken: list[str] = []
    attempt = threading.Thread(target=lambda: taken.append(trainer.take(Remove("shoes", keep=1))))
    attempt.start()
    wait_for("its reason", lambda: "this user may not run" in trainer.fault())
    assert taken == []
    execute(trainer.server, "ACL SETUSER trainer +zrange")
    attempt.join()
    assert "there is no model shoes" in trainer.error()


def test_an_outcome_waits_until_it_can_be_stored_and_says_why(trainer: Trainer) -> None:
    files = trainer.folder.work.parent / "files"
    files.parent.mkdir(parents=True)
    files.touch()  # in place of a folder
    taken: list[str] = []
    attempt = threading.Thread(target=lambda: taken.append(trainer.take()))
    attempt.start()
    wait_for("its reason", lambda: "HANGTAG_STORE" in trainer.fault())
    assert (trainer.view().outcome, taken) == (None, [])
    files.unlink()
    attempt.join()
    assert (taken, trainer.view().outcome) == ([ANSWERED], trainer.folder.outcome())


#: What `attempt` raises, in turn.
ERRORS: list[Exception] = []


def attempt(*_: object) -> Reply:
    """In place of a handler."""
    if ERRORS:
        raise ERRORS.pop(0)
    return Reply(Progress("done"))


def no_file(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_learning_that_finds_a_disk_full_is_tried_again(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Also where another error hides that."""
    hidden = RuntimeError("the checkpoint is not saved")
    hidden.__cause__ = no_file(number)
    ERRORS[:] = [no_file(number), hidden]
    monkeypatch.setattr(runner, "RETRY_S", 0.0)
    monkeypatch.setitem(runner.HANDLERS, Train, (__name__, "attempt"))
    assert trainer.take(Train("shoes", "photo-head", "/photos")) == ANSWERED
    assert (trainer.error(), ERRORS) == ("", [])


@pytest.mark.parametrize(
    ("work", "error", "line"),
    [
        (Train("shoes", "photo-head", "/photos"), no_file(errno.EIO), "the work failed"),
        (Train("shoes", "photo-head", "/photos"), ValueError("no number"), "the work failed"),
        (NOTHING, no_file(errno.ENOSPC), "a disk is full"),
    ],
    ids=["another error of a file", "another error", "other work"],
)
def test_work_is_tried_again_for_no_other_error_and_short_work_for_none(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, work: Work, error: Exception, line: str
) -> None:
    ERRORS[:] = [error]
    monkeypatch.setattr(runner, "RETRY_S", 0.0)
    monkeypatch.setitem(runner.HANDLERS, type(work), (__name__, "attempt"))
    assert trainer.take(work) == ANSWERED
    assert trainer.error().startswith(line)


def test_a_request_waits_while_the_store_is_unusable_and_says_why(
    server: RedisServer, tmp_path: Path
) -> None:
    """A failure that only Redis knew would not hold: the store starts the request again."""
    (tmp_path / "file").touch()
    with closing(Trainer(server, tmp_path / "file" / "store")) as trainer:
        for _ in range(2 * MAX_ATTEMPTS):
            assert trainer.take() == LEFT
            assert trainer.view().state is RequestState.WAITING
            assert "HANGTAG_STORE" in trainer.fault()
        (tmp_path / "file").unlink()
        assert trainer.take() == ANSWERED
        assert "no-such-model" in trainer.error()


def test_an_attempt_ends_even_if_its_outcome_cannot_be_read_for_the_copy(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: RequestFolder, outcome: Outcome) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(RequestFolder, "files", broken)
    assert trainer.take() == LEFT
    assert not [thread for thread in threading.enumerate() if isinstance(thread, Attempt)]


def test_a_request_that_was_reported_as_failed_never_runs_again(trainer: Trainer) -> None:
    """Also after Redis has lost everything, from the store or from its producer."""
    registry, work = publish_three(trainer), Promote("shoes@2")
    stored_requests.keep(trainer.settings.store_path, Request(ID, work, "tester@here", 1.0))
    for _ in range(MAX_ATTEMPTS):
        assert trainer.folder.enter()  # and dies
    assert trainer.take(work) == ANSWERED
    assert "died 3 times" in trainer.error()
    trainer.client.flushall()
    assert trainer.take(work) == LEFT
    assert "died 3 times" in trainer.error()
    assert registry.aliases("shoes") == {"production": 1}


def test_a_trainer_without_access_takes_nothing(trainer: Trainer) -> None:
    execute(trainer.server, "ACL SETUSER trainer -get")
    with pytest.raises(BrokerRefuses):
        trainer.take()
    assert trainer.folder.request() is None


def test_a_server_that_is_full_for_a_moment_fails_nothing(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ERRORS[:] = [OutOfMemoryError("OOM command not allowed when used memory > 'maxmemory'.")]
    monkeypatch.setitem(runner.HANDLERS, Rollback, (__name__, "attempt"))
    assert trainer.take() == ANSWERED
    assert (trainer.error(), ERRORS) == ("", [])


def test_other_errors_of_redis_fail_the_request(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ERRORS[:] = [ResponseError("ERR unknown command"), ResponseError("of another attempt")]
    monkeypatch.setitem(runner.HANDLERS, Rollback, (__name__, "attempt"))
    assert trainer.take() == ANSWERED
    assert "unknown command" in trainer.error()


def test_other_work_with_a_stored_id_changes_nothing(trainer: Trainer) -> None:
    """Redis has lost the first; the copy shows the submitter whose id it is."""
    request = Request(ID, NOTHING, "tester@here", 1.0)
    stored_requests.keep(trainer.settings.store_path, request, b"a model")
    with trainer.folder.locked(0):
        assert trainer.take(Rollback("another-model"), b"another") == LEFT
    assert trainer.folder.input() == b"a model"
    assert trainer.view().request == request


def test_a_hint_of_a_request_that_is_gone_starts_nothing(trainer: Trainer) -> None:
    assert trainer.hint("gone") == LEFT
    assert not trainer.settings.store_path.exists()


def test_a_request_that_cannot_be_read_is_reported_unless_it_was_cancelled(
    trainer: Trainer,
) -> None:
    trainer.client.hset(keys.request("r1", "state"), "sent", b"{")
    with pytest.raises(BadMessage):
        trainer.hint("r1")
    trainer.inbox.cancel("r1")
    assert trainer.hint("r1") == LEFT
    assert trainer.inbox.ids() == []


def test_a_hint_of_a_request_of_a_stack_of_another_machine_starts_nothing(trainer: Trainer) -> None:
    """Submitted again here, for example."""
    folder = Workspace(trainer.settings.store_path, "r1")
    folder.submit(Request("r1", NOTHING, "tester@here", 1.0), stack="elsewhere:/tmp/none")
    assert trainer.hint("r1") == LEFT
    assert folder.is_open


@pytest.mark.parametrize("work", [NOTHING, LONG])
def test_a_request_that_another_trainer_works_on_is_stored_and_not_taken(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, work: Work
) -> None:
    monkeypatch.setattr(runner, "LOCK_WAIT_S", 0.05)
    folder = trainer.submit("r1", work)
    trainer.inbox.store(folder)
    with folder.locked(0):
        assert trainer.hint("r1") == LEFT
    assert trainer.long_work.may_start(LONG)
    assert folder.attempts == 0


def test_long_work_waits_for_other_long_work_of_its_trainer_and_short_work_does_not(
    trainer: Trainer,
) -> None:
    trainer.submit("short", NOTHING)
    folder = trainer.submit("long", LONG)
    assert trainer.long_work.may_start(LONG)  # which leaves it free for another process
    with trainer.long_work_elsewhere():
        assert trainer.hint("long") == LEFT
        assert trainer.hint("short") == ANSWERED
    assert trainer.long_work.may_start(LONG), "it ends with its process"
    assert folder.state is RequestState.WAITING
    assert folder.attempts == 0
