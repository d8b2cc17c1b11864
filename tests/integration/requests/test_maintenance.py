"""A trainer's maintenance rounds: no waiting request is forgotten, and hints do not accumulate."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from celery.worker import state

from shared import file_lock, keys
from shared.broker.celery_app import make_app
from shared.broker.message_filter import TRAIN_TASK
from shared.broker.redis_client import connect
from shared.broker.runtime_paths import runtime_dir
from shared.errors import Exit
from shared.ledger.request_inbox import RequestInbox
from shared.ledger.request_store import RequestState
from shared.messages.requests import Outcome, Promote, Remove, Request, Work
from shared.messages.training import Train
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.jobs import stored_requests
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer
from worker.requests import maintenance
from worker.requests.maintenance import Maintenance
from worker.requests.trainer_state import LongWork
from worker.requests.workspace import Workspace

DAY_S = 86_400.0
RETENTION_S = 7 * DAY_S
REQUEST = Request("tidy-up", Remove("shoes", keep=3), "tester@here", 1.0)


class Scene:
    """A server, a store, and a trainer's rounds, run one by one."""

    def __init__(self, server: RedisServer, store: Path) -> None:
        self.client, self.store = connect(server.url, "test"), store
        self.settings = Settings(store=str(store), redis_url=server.url)
        self.requests = RequestInbox(self.client)
        self._app = make_app(server.url, "test")
        self.rounds = self.trainer(self.settings)
        self.folder = Workspace(store, REQUEST.id)

    def trainer(self, settings: Settings, hint: Callable[[str], None] | None = None) -> Maintenance:
        """The rounds of a trainer with these settings."""
        return Maintenance(self.client, settings, hint or self._hint, LongWork())

    def close(self) -> None:
        self.client.close()
        self._app.close()

    def _hint(self, request_id: str) -> None:
        self._app.send_task(TRAIN_TASK, args=(request_id,), queue=keys.TRAIN_QUEUE)

    @property
    def hints(self) -> int:
        return self.client.llen(keys.TRAIN_QUEUE)


@pytest.fixture
def scene(server: RedisServer, tmp_path: Path) -> Iterator[Scene]:
    with closing(Scene(server, tmp_path / "store")) as scene:
        yield scene


def test_a_waiting_request_has_one_hint_until_a_trainer_takes_it(scene: Scene) -> None:
    scene.requests.submit(REQUEST)
    for _ in range(5):
        scene.rounds.go()
    assert scene.hints == 1
    scene.client.delete(keys.TRAIN_QUEUE)  # taken by a trainer that dies
    scene.rounds.go()
    assert scene.hints == 1


def test_a_request_that_a_process_works_on_is_not_hinted(scene: Scene) -> None:
    stored_requests.keep(scene.store, REQUEST)
    with scene.folder.locked(0):
        scene.rounds.go()
        assert scene.hints == 0
    scene.rounds.go()
    assert scene.hints == 1


def test_what_redis_lost_is_copied_from_the_store_and_done(scene: Scene) -> None:
    scene.requests.submit(REQUEST, b"a model")
    scene.rounds.go()
    scene.client.flushall()
    scene.rounds.go()
    assert (scene.folder.input(), scene.hints) == (b"a model", 1)
    view = scene.requests.get(REQUEST.id)
    assert view is not None
    assert (view.request, view.state) == (REQUEST, RequestState.WAITING)


def test_a_request_cancelled_at_a_broker_stays_cancelled(scene: Scene) -> None:
    scene.requests.submit(REQUEST)
    scene.rounds.go()
    scene.requests.cancel(REQUEST.id)
    scene.client.delete(keys.TRAIN_QUEUE)
    for _ in range(2):
        scene.rounds.go()
        assert scene.folder.state is RequestState.CANCELLED
        assert scene.hints == 0
        scene.client.flushall()
    assert scene.requests.get(REQUEST.id) is None
    scene.rounds.go()
    view = scene.requests.get(REQUEST.id)
    assert view is not None
    assert view.state is RequestState.CANCELLED


def test_a_request_that_was_never_stored_can_be_cancelled(scene: Scene) -> None:
    """Another version of Hangtag has sent it."""
    scene.client.hset(keys.request("odd", "state"), "sent", "{}")
    scene.requests.cancel("odd")
    scene.rounds.go()
    assert scene.requests.ids() == []
    assert not scene.client.exists(keys.request("odd", "state"))


def test_a_request_that_cannot_be_stored_does_not_end_the_rounds(scene: Scene) -> None:
    scene.store.mkdir(exist_ok=True)
    stored_requests.keep(scene.store, msgspec.structs.replace(REQUEST, id="other"))
    (scene.store / ".requests-2" / REQUEST.id).write_bytes(b"a file")
    scene.requests.submit(REQUEST)
    scene.rounds.go()
    assert scene.hints == 1


def test_what_has_ended_is_copied_and_not_hinted(scene: Scene) -> None:
    """Its trainer died, or could not reach Redis."""
    scene.requests.submit(REQUEST)
    scene.rounds.go()
    scene.client.delete(keys.TRAIN_QUEUE)
    stored_requests.finish(scene.folder, Outcome(ok=True), {"grid.png": b"pixels"})
    scene.rounds.go()
    view = scene.requests.get(REQUEST.id)
    assert view is not None
    assert view.outcome is not None
    assert scene.requests.file(REQUEST.id, "grid.png") == b"pixels"
    assert (scene.requests.ids(), scene.hints) == ([], 0)


def test_what_ended_more_than_a_day_ago_does_not_return_to_redis(scene: Scene) -> None:
    """Plots of a week would take its memory."""
    stored_requests.keep(scene.store, REQUEST)
    stored_requests.finish(scene.folder, Outcome(ok=True), {"grid.png": b"pixels"})
    for age_s, returns in ((DAY_S + 60, False), (DAY_S - 60, True)):
        os.utime(scene.folder.path, (time.time() - age_s,) * 2)
        scene.client.flushall()
        scene.rounds.go()
        assert (scene.requests.get(REQUEST.id) is not None) == returns


@pytest.mark.parametrize("end", ["finished", "cancelled"])
def test_an_end_is_remembered_for_a_week(scene: Scene, end: str) -> None:
    stored_requests.keep(scene.store, REQUEST)
    if end == "finished":
        stored_requests.finish(scene.folder, Outcome(ok=True))
    else:
        scene.folder.cancel()
    for age_s, stays in ((RETENTION_S - 60, True), (RETENTION_S + 60, False)):
        os.utime(scene.folder.path, (time.time() - age_s,) * 2)
        scene.rounds.go()
        assert scene.folder.path.exists() == stays


def test_a_trainer_of_another_store_is_refused_in_one_line(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene.rounds.go()
    monkeypatch.setattr(state, "should_stop", None)
    settings = msgspec.structs.replace(scene.settings, store=str(tmp_path / "other"))
    other = scene.trainer(settings)
    scene.requests.submit(REQUEST)
    other.go()
    assert state.should_stop == Exit.SETUP
    (line,) = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert "the trainers of this broker share another store" in line
    assert not (tmp_path / "other/.requests-2" / REQUEST.id).exists()
    monkeypatch.setattr(state, "should_stop", None)
    link = tmp_path / "link"
    link.symlink_to(scene.store)
    settings = msgspec.structs.replace(scene.settings, store=str(link))
    scene.trainer(settings).go()
    assert state.should_stop is None
    scene.client.delete(keys.STORE)  # the trainers of the first have ended
    other.go()
    assert state.should_stop is None


def test_two_trainers_of_a_new_store_agree_on_its_id(scene: Scene) -> None:
    """The other one writes it at this moment."""
    file = scene.store / ".requests-2/store-id"
    file.parent.mkdir(parents=True)
    rounds = threading.Thread(target=scene.rounds.go)
    with file.open("wb") as written:
        file_lock.acquire(written.fileno())
        rounds.start()
        rounds.join(0.2)
        written.write(b"of-the-other")
        written.flush()
    rounds.join()
    assert scene.client.get(keys.STORE) == b"of-the-other"


def test_an_unexpected_error_does_not_end_the_rounds_and_is_logged_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def hint(request_id: str) -> None:
        raise ZeroDivisionError(request_id)

    scene.requests.submit(REQUEST)
    rounds = scene.trainer(scene.settings, hint)
    for _ in range(3):
        rounds.go()
    (record,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_an_unreadable_request_hides_no_other(scene: Scene) -> None:
    broken = scene.store / ".requests-2" / "broken"
    broken.mkdir(parents=True)
    (broken / "request.json").write_bytes(b"{")
    scene.client.set(keys.request("foreign", "state"), "not a hash")
    scene.client.zadd(keys.REQUESTS, {"foreign": 1})
    scene.requests.submit(REQUEST)
    scene.rounds.go()
    assert scene.hints == 1
    view = scene.requests.get(REQUEST.id)
    assert view is not None
    assert view.state is RequestState.WAITING


def test_beside_a_training_only_short_work_is_hinted(scene: Scene) -> None:
    training, hinted = LongWork(), list[str]()
    long = msgspec.structs.replace(REQUEST, id="long", work=Train("a", "fast"))
    rounds = Maintenance(scene.client, scene.settings, hinted.append, training)
    for request in (long, REQUEST):
        scene.requests.submit(request)
    trainer = multiprocessing.get_context("fork").Process(target=hold, args=(training,))
    trainer.start()
    try:
        wait_for("the training", lambda: not training.may_start(long.work))
        rounds.go()
        assert hinted == [REQUEST.id]
    finally:
        trainer.kill()
        trainer.join()


def hold(training: LongWork) -> None:
    """Do long work for longer than any test."""
    with training.alone(Train("a", "fast")):
        time.sleep(600)


def test_an_unreachable_server_does_not_end_the_rounds(scene: Scene, server: RedisServer) -> None:
    stored_requests.keep(scene.store, REQUEST)
    server.kill()
    scene.rounds.go()
    server.start()
    scene.rounds.go()
    assert scene.hints == 1


def test_an_emptied_server_gets_its_models_with_the_next_round(scene: Scene) -> None:
    card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
    Registry(scene.store).publish(card, {"model.tflite": b"a model"})
    scene.rounds.go()
    scene.client.flushall()
    scene.rounds.go()  # long before the next regular copy
    assert scene.client.exists(keys.model_card("shoes", 1))


def test_a_file_without_room_is_named_once_and_not_tried_in_each_round(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
    Registry(scene.store).publish(card, {"model.keras": bytes(4 << 20)})
    scene.client.config_set("maxmemory", scene.client.info("memory")["used_memory"] + (4 << 20))
    history = keys.model_history("shoes")
    for interval, published in ((math.inf, 1), (math.inf, 0), (0.0, 1)):
        monkeypatch.setattr(maintenance, "PUBLISH_S", interval)
        scene.rounds.go()
        assert scene.client.delete(history) == published
    (line,) = [
        record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING
    ]
    assert "model.keras of shoes@1: 4 MiB do not fit" in line


def test_a_trainer_at_a_broker_needs_no_runtime_folder(scene: Scene, tmp_path: Path) -> None:
    """Another user may have made it."""
    folder = runtime_dir(Settings())
    folder.symlink_to(tmp_path)
    scene.requests.submit(REQUEST)
    scene.trainer(scene.settings).go()
    assert scene.hints == 1


def test_a_request_of_a_stack_waits_for_a_trainer_with_its_packages(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another environment has started the stack, for work that needs less."""
    settings = Settings(store=str(scene.settings.store_path))
    works: dict[str, Work] = {"promote": Promote("mine@2"), "train": Train("mine", "fast")}
    for name, work in works.items():
        request = msgspec.structs.replace(REQUEST, id=name, work=work)
        stored_requests.keep_on_stack(settings, request)
    stored_requests.keep(scene.store, msgspec.structs.replace(REQUEST, id="of-a-broker"))
    hinted = list[str]()
    rounds = scene.trainer(settings, hinted.append)
    with monkeypatch.context() as lacking:
        lacking.setattr(maintenance, "absent", {"keras"}.intersection)
        rounds.go()
        assert hinted == ["promote"]
    hinted.clear()
    rounds.go()
    assert sorted(hinted) == ["promote", "train"]
