"""One request at a trainer: it ends once, and only the holder of its lease may end it."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from shared import keys
from shared.broker.address import address_of
from shared.broker.redis_client import connect
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import RequestState, RequestView
from shared.messages.requests import (
    CheckDataset,
    Import,
    Outcome,
    Progress,
    Promote,
    Prune,
    Request,
    Rollback,
    Work,
)
from shared.messages.training import Train
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer
from worker.handlers.context import Reply
from worker.requests import runner
from worker.requests.lease import Lease
from worker.requests.maintenance import Maintenance
from worker.requests.request_consumer import RequestConsumer
from worker.requests.runner import ANSWERED, LEFT
from worker.requests.shutdown import ShutdownNotice
from worker.requests.workspace import Workspace

MAX_ATTEMPTS = 3
ID = "one"
#: Fails at once and needs no TensorFlow.
NOTHING = Rollback("no-such-model")


def execute(server: RedisServer, line: str) -> object:
    """Execute a command of the server's administrator."""
    return server.client.execute_command(line)  # type: ignore[no-untyped-call]


class Trainer:
    """A request consumer with its server and store."""

    def __init__(self, server: RedisServer, store: Path) -> None:
        self.server = server
        self.settings = Settings(store=str(store), redis_url=server.url)
        execute(server, "ACL SETUSER trainer on >x ~* &* +@all")
        address = msgspec.structs.replace(address_of(server.url), user="trainer", password="x")
        self.client = connect(address, "test")
        self.requests = RequestLedger(self.client, self.settings.lease_s)
        self.folder = Workspace(store, ID)

    def close(self) -> None:
        self.client.close()

    def take(self, work: Work = NOTHING, input: bytes | None = None) -> str:
        """Submit a request and take it."""
        self.requests.submit(Request(ID, work, "tester@here", 1.0), input)
        return RequestConsumer(
            self.settings, self.client, "here:1:1/2:2", ShutdownNotice(), lambda: None
        ).take(ID)

    def lose_lease(self) -> None:
        """The lease expires, and another trainer claims the request and saves a checkpoint."""
        self.client.hset(keys.request(ID, "state"), "until_ms", 0)
        grant = self.requests.claim(ID, "there:1:1/2:2", self.folder.fence)
        assert self.folder.enter(grant)
        (self.folder.work / "state.npz").write_bytes(b"5 epochs")

    def view(self) -> RequestView:
        view = self.requests.get(ID)
        assert view is not None
        return view

    def fault(self) -> str:
        """What the request waits for."""
        progress = self.view().progress
        return progress.fault if progress is not None else ""

    def error(self) -> str:
        """The error that is reported to the submitter."""
        outcome = self.view().outcome
        assert outcome is not None
        return outcome.error


@pytest.fixture
def trainer(server: RedisServer, tmp_path: Path) -> Iterator[Trainer]:
    with closing(Trainer(server, tmp_path / "store")) as trainer:
        yield trainer


def test_a_trainer_suspended_before_its_outcome_takes_nothing_from_its_successor(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Workspace.finish

    def late(folder: Workspace, fence: int, outcome: Outcome, files: Mapping[str, bytes]) -> bool:
        trainer.lose_lease()
        return original(folder, fence, outcome, files)

    monkeypatch.setattr(Workspace, "finish", late)
    assert trainer.take(input=b"a model") == LEFT
    assert (trainer.folder.work / "state.npz").read_bytes() == b"5 epochs"
    assert trainer.folder.input() == b"a model"
    assert trainer.folder.outcome() is None
    assert trainer.view().state is RequestState.RUNNING


@pytest.mark.parametrize(
    "lose",
    [
        pytest.param(lambda trainer: trainer.client.flushall(), id="lost"),
        pytest.param(lambda trainer: trainer.lose_lease(), id="taken over"),
        pytest.param(
            lambda trainer: [
                trainer.client.flushall(),
                trainer.client.set(keys.request(ID, "state"), "not a hash"),
            ],
            id="foreign",
        ),
    ],
)
def test_a_request_that_redis_does_not_finish_is_left_open(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, lose: Callable[[Trainer], object]
) -> None:
    monkeypatch.setattr(Workspace, "tidy", lambda folder: lose(trainer))
    assert trainer.take() == LEFT


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
        ("replica", (Lease, "confirm"), Promote("shoes@2")),
        ("replicas", (Lease, "confirm"), Promote("shoes@2")),
        ("access", (Lease, "report"), Prune("shoes", 1)),
        ("access", (Workspace, "tidy"), Promote("shoes@2")),
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


def test_a_lasting_refusal_of_what_a_handler_needs_fails_the_request(trainer: Trainer) -> None:
    execute(trainer.server, "ACL SETUSER trainer -zrange")
    assert trainer.take(Prune("shoes", 1)) == ANSWERED
    assert "Redis refuses: this user may not run" in trainer.error()


def test_a_lasting_refusal_of_the_outcome_leaves_it_to_another_attempt(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The lease can be renewed: only that script is not loaded yet."""
    execute(trainer.server, "SCRIPT FLUSH")
    revoke = "ACL SETUSER trainer -script|load"
    with monkeypatch.context() as patch:
        patch.setattr(Workspace, "tidy", lambda folder: execute(trainer.server, revoke))
        assert trainer.take() == LEFT
    assert "this attempt stops: Redis refuses: this user may not run" in caplog.text
    execute(trainer.server, "ACL SETUSER trainer +script|load")
    assert trainer.take() == ANSWERED


def test_an_outcome_waits_until_it_can_be_stored_and_says_why(trainer: Trainer) -> None:
    files = trainer.folder.work.parent / "files"
    files.parent.mkdir(parents=True)
    files.touch()  # in place of a folder
    taken: list[str] = []
    attempt = threading.Thread(target=lambda: taken.append(trainer.take()))
    attempt.start()
    wait_for("its reason", lambda: trainer.requests.get(ID) and "HANGTAG_STORE" in trainer.fault())
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


@pytest.mark.parametrize(
    ("work", "parts"),
    [
        (Train("shoes", "fast"), ["importing TensorFlow"]),
        (Import("shoes", ("a", "b"), "0" * 64), ["importing TensorFlow"]),
        (Train("shoes", "photo-head", "/photos"), []),
        (Train("shoes", "photo", "/photos"), []),
        (CheckDataset("/photos"), []),
    ],
)
def test_only_work_on_whole_networks_reports_that_tensorflow_is_imported(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, work: Work, parts: list[str]
) -> None:
    reported: list[Progress] = []
    monkeypatch.setattr(Lease, "report", lambda lease, progress: reported.append(progress))
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setitem(runner.HANDLERS, type(work), (__name__, "attempt"))
    ERRORS.clear()
    assert trainer.take(work) == ANSWERED
    assert [progress.part for progress in reported] == parts


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_learning_that_finds_a_disk_full_is_tried_again(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Also where another error hides that."""
    hidden = RuntimeError("the checkpoint is not saved")
    hidden.__cause__ = no_file(number)
    ERRORS[:] = [no_file(number), hidden]
    monkeypatch.setattr(runner, "ROOM_S", 0.0)
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
    monkeypatch.setattr(runner, "ROOM_S", 0.0)
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


def test_a_request_that_was_reported_as_failed_never_runs_again(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after Redis has lost everything, from the store or from its producer."""
    registry, work = publish_three(trainer), Promote("shoes@2")
    request = Request(ID, work, "tester@here", 1.0)
    trainer.requests.submit(request)
    for _ in range(MAX_ATTEMPTS):
        trainer.lose_lease()
    trainer.client.hset(keys.request(ID, "state"), "until_ms", 0)
    original = RequestLedger.finish

    def checked(requests: RequestLedger, *args: object) -> bool:
        assert trainer.folder.outcome() is not None, "it would be reported before it is stored"
        return original(requests, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(RequestLedger, "finish", checked)
    assert trainer.take(work) == ANSWERED
    assert "died 3 times" in trainer.error()
    trainer.client.flushall()
    Maintenance(trainer.client, trainer.settings, lambda request_id: None).go()
    assert trainer.requests.get(ID) is None
    assert trainer.take(work) == ANSWERED
    assert "died 3 times" in trainer.error()
    assert registry.aliases("shoes") == {"production": 1}


def test_other_work_with_a_stored_id_is_refused_and_cancelling_it_removes_nothing(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.requests.submit(Request(ID, NOTHING, "tester@here", 1.0), b"a model")
    trainer.lose_lease()
    trainer.client.flushall()
    finish = RequestLedger.finish

    def late(requests: RequestLedger, *args: object) -> bool:
        requests.cancel(ID)
        return finish(requests, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(RequestLedger, "finish", late)
    assert trainer.take(Rollback("another-model"), b"another") == LEFT
    assert trainer.folder.input() == b"a model"
    assert (trainer.folder.work / "state.npz").exists()
