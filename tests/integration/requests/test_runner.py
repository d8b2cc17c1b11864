"""One request at a trainer's desk: it ends once, and only whoever holds it may end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from shared import keys
from shared.broker.redis_client import connect
from shared.ledger.request_states import RequestState, RequestView
from shared.ledger.requests import RequestLedger
from shared.messages.replies import Trained
from shared.messages.requests import Outcome, Request, Rollback, Train, Work
from shared.settings import Settings
from tests.support.processes.trainers import draw_classes
from tests.support.servers.redis_server import RedisServer
from worker.requests.runner import ANSWERED, LEFT, RequestConsumer
from worker.requests.shutdown import ShutdownNotice
from worker.requests.workspace import Workspace

ID = "one"
#: It fails at once, and needs no TensorFlow.
NOTHING = Rollback("no-such-model")


class Office:
    """A desk, and what it has in hand."""

    def __init__(self, server: RedisServer, store: Path) -> None:
        self.settings = Settings(store=str(store), redis_url=server.url)
        self.client = connect(server.url, "test")
        self.requests = RequestLedger(self.client, self.settings.lease_s)
        self.folder = Workspace(store, ID)

    def close(self) -> None:
        self.client.close()

    def take(self, work: Work = NOTHING, input: bytes | None = None) -> str:
        """Hand a request in and take it."""
        self.requests.submit(Request(ID, work, "tester@here", 1.0), input)
        return RequestConsumer(
            self.settings, self.client, "here:1:1/2:2", ShutdownNotice(), lambda: None
        ).take(ID)

    def succeed(self) -> None:
        """The lease runs out, and another trainer takes over and makes a checkpoint."""
        self.client.hset(keys.request(ID, "state"), "until_ms", 0)
        grant = self.requests.claim(ID, "there:1:1/2:2", self.folder.fence)
        assert self.folder.enter(grant)
        (self.folder.work / "state.npz").write_bytes(b"5 epochs")

    def view(self) -> RequestView:
        view = self.requests.get(ID)
        assert view is not None
        return view

    def error(self) -> str:
        """What was said to whoever asked."""
        outcome = self.view().outcome
        assert outcome is not None
        return outcome.error


@pytest.fixture
def office(server: RedisServer, tmp_path: Path) -> Iterator[Office]:
    with closing(Office(server, tmp_path / "store")) as office:
        yield office


def test_one_that_slept_before_its_answer_takes_nothing_from_its_successor(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Workspace.finish

    def late(folder: Workspace, fence: int, outcome: Outcome, files: Mapping[str, bytes]) -> bool:
        office.succeed()
        return answer(folder, fence, outcome, files)

    monkeypatch.setattr(Workspace, "finish", late)
    assert office.take(input=b"a model") == LEFT
    assert (office.folder.work / "state.npz").read_bytes() == b"5 epochs"
    assert office.folder.input() == b"a model"
    assert office.folder.outcome() is None
    assert office.view().state is RequestState.RUNNING


@pytest.mark.parametrize(
    "lose",
    [
        pytest.param(lambda office: office.client.flushall(), id="forgotten"),
        pytest.param(lambda office: office.succeed(), id="taken over"),
        pytest.param(
            lambda office: [
                office.client.flushall(),
                office.client.set(keys.request(ID, "state"), "not a hash"),
            ],
            id="foreign",
        ),
    ],
)
def test_what_redis_does_not_take_is_not_called_answered(
    office: Office, monkeypatch: pytest.MonkeyPatch, lose: Callable[[Office], object]
) -> None:
    monkeypatch.setattr(Workspace, "tidy", lambda folder: lose(office))
    assert office.take() == LEFT


def test_an_outcome_that_the_store_cannot_keep_is_one_that_names_the_cure(office: Office) -> None:
    files = office.folder.work.parent / "files"
    files.parent.mkdir(parents=True)
    files.touch()  # where a folder is to be
    assert office.take() == ANSWERED
    assert "HANGTAG_STORE" in office.error()


def test_a_store_that_cannot_be_one_is_told_to_whoever_asks(
    server: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with closing(Office(server, tmp_path / "file" / "store")) as office:
        assert office.take() == ANSWERED
        assert "HANGTAG_STORE" in office.error()


def test_other_work_under_a_kept_id_is_refused_and_cancelling_it_forgets_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.requests.submit(Request(ID, NOTHING, "tester@here", 1.0), b"a model")
    office.succeed()
    office.client.flushall()
    finish = RequestLedger.finish

    def late(requests: RequestLedger, *args: object) -> bool:
        requests.cancel(ID)
        return finish(requests, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(RequestLedger, "finish", late)
    assert office.take(Rollback("another-model"), b"another") == LEFT
    assert office.folder.input() == b"a model"
    assert (office.folder.work / "state.npz").exists()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_training_starts_over_from_a_checkpoint_of_another_hangtag(
    office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from worker.handlers.train import STATE
    from worker.training import checkpoint

    office.folder.work.mkdir(parents=True)
    checkpoint.save(office.folder.work / STATE, "as it was called before", [], [])
    data = draw_classes(tmp_path / "shapes")
    assert office.take(Train("shapes", "tutorial", str(data), 1)) == ANSWERED
    outcome = office.view().outcome
    assert outcome is not None
    assert outcome.ok, outcome.error
    assert msgspec.json.decode(outcome.answer, type=Trained).model == "shapes@1"
    assert "starts over" in caplog.text
