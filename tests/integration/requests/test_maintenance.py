"""A trainer's maintenance rounds: no waiting request is forgotten, and hints do not accumulate."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from celery.worker import state

from shared import keys
from shared.broker.address import address_of
from shared.broker.celery_app import make_app
from shared.broker.message_filter import TRAIN_TASK
from shared.broker.redis_client import connect
from shared.broker.runtime_paths import runtime_dir
from shared.errors import Exit
from shared.ledger import cancelled_requests, request_store
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import RequestState, RequestVerdict
from shared.messages.model_name import ModelName
from shared.messages.requests import Outcome, Promote, Prune, Request, Work
from shared.messages.training import Train
from shared.registry import packaged
from shared.registry.mirror_reader import Mirror
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer
from worker.lifecycle import access_check
from worker.lifecycle.access_check import RefusalLimit
from worker.requests import maintenance
from worker.requests.long_work import LongWork
from worker.requests.maintenance import Maintenance
from worker.requests.workspace import Workspace

RETENTION_S = 7 * 86_400.0
REQUEST = Request("tidy-up", Prune("shoes", keep=3), "tester@here", 1.0)
OWNER = "here:1:1/2:2"


class Scene:
    """A server, a store, and a trainer's rounds, run one by one."""

    def __init__(self, server: RedisServer, store: Path) -> None:
        self.client, self.store = connect(server.url, "test"), store
        self.settings = Settings(store=str(store), redis_url=server.url)
        self.requests = RequestLedger(self.client, self.settings.lease_s)
        self._app = make_app(server.url, "test")
        self.rounds = Maintenance(self.client, self.settings, self._hint)
        self.folder = Workspace(store, REQUEST.id)

    def close(self) -> None:
        self.client.close()
        self._app.close()

    def _hint(self, request_id: str) -> None:
        self._app.send_task(TRAIN_TASK, args=(request_id,), queue=keys.TRAIN_QUEUE)

    @property
    def hints(self) -> int:
        return self.client.llen(keys.TRAIN_QUEUE)

    def claim(self) -> int:
        """Claim the request and start it; return the fence."""
        grant = self.requests.claim(REQUEST.id, OWNER, self.folder.fence)
        assert grant.verdict is RequestVerdict.GRANTED
        assert self.folder.enter(grant)
        return grant.fence


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


def test_hints_of_other_requests_are_not_mistaken_for_those_of_a_short_id(scene: Scene) -> None:
    for short in ("task", "t", "tidy"):
        scene.requests.submit(msgspec.structs.replace(REQUEST, id=short))
        scene.rounds.go()
    assert scene.hints == 3


def test_a_request_in_progress_is_not_hinted(scene: Scene) -> None:
    scene.requests.submit(REQUEST)
    scene.claim()
    scene.rounds.go()
    assert scene.hints == 0


def test_a_request_that_redis_lost_is_submitted_again_with_its_input(scene: Scene) -> None:
    scene.requests.submit(REQUEST, b"a model")
    fence = scene.claim()
    scene.client.flushall()
    scene.rounds.go()
    assert scene.hints == 1
    grant = scene.requests.claim(REQUEST.id, OWNER, scene.folder.fence)
    assert (grant.request, grant.input) == (REQUEST, b"a model")
    assert grant.fence > fence


def test_a_waiting_request_is_stored_with_its_input_before_it_starts(
    scene: Scene,
) -> None:
    scene.requests.submit(REQUEST, b"a model")
    scene.rounds.go()
    scene.client.flushall()
    scene.rounds.go()
    assert scene.hints == 1
    grant = scene.requests.claim(REQUEST.id, OWNER, scene.folder.fence)
    assert (grant.request, grant.input) == (REQUEST, b"a model")
    assert (grant.fence, grant.attempts) == (1, 1)


def test_a_request_cancelled_while_waiting_is_removed_from_the_store(scene: Scene) -> None:
    scene.requests.submit(REQUEST)
    scene.rounds.go()
    assert scene.folder.request() == REQUEST
    scene.requests.cancel(REQUEST.id)
    scene.rounds.go()
    check_stays_ended(scene)
    assert not scene.folder.work.parent.exists()


@pytest.mark.parametrize("end", ["cancelled", "finished", "finished in Redis only"])
def test_a_request_that_ends_while_it_is_stored_is_not_restored(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    keep = Workspace.store

    def late(folder: Workspace, request: Request, input: bytes | None) -> None:
        """Runs between the round's read of Redis and its write."""
        if end == "cancelled":
            scene.requests.cancel(REQUEST.id)
        else:
            fence = scene.claim()
            if end == "finished":
                scene.folder.finish(fence, Outcome(ok=True), {})
                scene.folder.tidy()
            scene.requests.finish(REQUEST.id, fence, Outcome(ok=True))
        keep(folder, request, input)

    monkeypatch.setattr(Workspace, "store", late)
    scene.requests.submit(REQUEST, b"a model")
    scene.rounds.go()
    check_stays_ended(scene)
    assert scene.folder.input() is None
    assert (scene.folder.request() is None) == (end == "cancelled")


def check_stays_ended(scene: Scene) -> None:
    """The request stays ended after Redis lost its data."""
    scene.client.flushall()
    scene.rounds.go()
    assert scene.requests.get(REQUEST.id) is None
    assert scene.hints == 0


def test_on_this_machines_stack_the_submitter_stores_a_request(scene: Scene) -> None:
    """Otherwise a round could store a request again that was just cancelled and removed."""
    settings = msgspec.structs.replace(scene.settings, redis_url="")
    scene.requests.submit(REQUEST)
    Maintenance(scene.client, settings, lambda request_id: None).go()
    assert scene.folder.request() is None


def test_a_request_that_cannot_be_stored_does_not_end_the_rounds(scene: Scene) -> None:
    scene.store.mkdir(exist_ok=True)
    (scene.store / ".requests").write_bytes(b"a file")
    scene.requests.submit(REQUEST)
    scene.rounds.go()
    assert scene.hints == 1


def test_a_finished_request_is_not_submitted_again(scene: Scene) -> None:
    scene.requests.submit(REQUEST)
    scene.folder.finish(scene.claim(), Outcome(ok=True), {})
    scene.client.flushall()
    scene.rounds.go()
    assert scene.requests.get(REQUEST.id) is None


def test_an_outcome_that_only_redis_has_is_stored(scene: Scene) -> None:
    scene.requests.submit(REQUEST)
    fence = scene.claim()
    outcome = Outcome(ok=False, error="three trainers died")
    assert scene.requests.finish(REQUEST.id, fence, outcome)
    scene.rounds.go()
    assert scene.folder.outcome() == outcome
    assert not scene.folder.work.exists()


def test_a_cancelled_request_is_removed_from_the_store(scene: Scene) -> None:
    scene.requests.submit(REQUEST)
    scene.claim()
    scene.requests.cancel(REQUEST.id)
    scene.rounds.go()
    assert scene.folder.request() is None
    scene.client.flushall()
    scene.rounds.go()
    assert scene.requests.get(REQUEST.id) is None


def test_what_a_killed_trainer_leaves_of_a_request_cancelled_here_is_removed(
    scene: Scene,
) -> None:
    """The command has removed the request and left the rest to the trainer."""
    settings = msgspec.structs.replace(scene.settings, redis_url="")
    rounds = Maintenance(scene.client, settings, lambda request_id: None)
    request_store.keep(scene.store, REQUEST)
    scene.requests.submit(REQUEST)
    scene.claim()
    (scene.folder.work / "images.npy").write_bytes(b"decoded images")
    request_store.forget(scene.store, REQUEST.id, in_use=True)
    rounds.go()
    assert scene.folder.work.exists(), "the request is open"
    scene.requests.cancel(REQUEST.id)
    rounds.go()
    assert not scene.folder.work.parent.exists()


def test_a_cancellation_here_is_remembered_as_long_as_an_outcome(scene: Scene) -> None:
    """Also if the command died between its two steps; Redis ends with the stack."""
    settings = msgspec.structs.replace(scene.settings, redis_url="")
    rounds = Maintenance(scene.client, settings, lambda request_id: None)
    request_store.keep(scene.store, REQUEST)
    scene.requests.submit(REQUEST)
    scene.requests.cancel(REQUEST.id)
    rounds.go()
    assert not scene.folder.work.parent.exists()
    scene.client.flushall()
    rounds.go()
    assert cancelled_requests.is_cancelled(scene.store, REQUEST.id)
    (record,) = (scene.store / request_store.FOLDER).glob(".cancelled-*")
    old = time.time() - RETENTION_S - 1
    os.utime(record, (old, old))
    rounds.go()
    assert not cancelled_requests.is_cancelled(scene.store, REQUEST.id)


def test_a_cancellation_that_was_recorded_is_completed_by_the_next_stack(scene: Scene) -> None:
    """The command had died before it deleted the request, and Redis has ended with its stack."""
    settings = msgspec.structs.replace(scene.settings, redis_url="")
    request_store.keep(scene.store, REQUEST)
    cancelled_requests.remember(scene.store, REQUEST.id, REQUEST)
    Maintenance(scene.client, settings, lambda request_id: None).go()
    assert scene.requests.get(REQUEST.id) is None
    assert not scene.folder.work.parent.exists()
    assert cancelled_requests.is_cancelled(scene.store, REQUEST.id)


@pytest.mark.parametrize("end", ["finished", "cancelled"])
def test_the_end_of_other_work_with_an_id_does_not_end_the_stored_request(
    scene: Scene, end: str
) -> None:
    scene.requests.submit(REQUEST)
    scene.claim()
    (scene.folder.work / "state.npz").write_bytes(b"40 epochs")
    scene.client.flushall()
    scene.requests.submit(msgspec.structs.replace(REQUEST, work=Prune("bags", keep=1)))
    if end == "finished":
        grant = scene.requests.claim(REQUEST.id, OWNER, scene.folder.fence)
        assert scene.requests.finish(REQUEST.id, grant.fence, Outcome(ok=False, error="other"))
    else:
        assert scene.requests.cancel(REQUEST.id)
    scene.rounds.go()
    assert (scene.folder.request(), scene.folder.outcome()) == (REQUEST, None)
    assert (scene.folder.work / "state.npz").exists()
    scene.client.flushall()
    scene.rounds.go()
    assert scene.hints == 1


def test_an_unexpected_error_does_not_end_the_rounds_and_is_logged_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def hint(request_id: str) -> None:
        raise ZeroDivisionError(request_id)

    scene.requests.submit(REQUEST)
    rounds = Maintenance(scene.client, scene.settings, hint)
    for _ in range(3):
        rounds.go()
    (record,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_an_unreadable_request_hides_no_other(scene: Scene) -> None:
    broken = scene.store / ".requests" / "broken"
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


def test_beside_a_training_an_unreadable_request_stops_no_hints(scene: Scene) -> None:
    training, odd = LongWork(), msgspec.structs.replace(REQUEST, id="odd")
    rounds = Maintenance(scene.client, scene.settings, scene._hint, training)
    for request in (odd, REQUEST):
        scene.requests.submit(request)
    scene.client.hset(keys.request("odd", "state"), "request", b"{}")
    trainer = multiprocessing.get_context("fork").Process(target=hold, args=(training,))
    trainer.start()
    try:
        wait_for("the training", lambda: training.busy)
        rounds.go()
        assert scene.hints >= 1
        assert f"'{REQUEST.id}'".encode() in b"".join(rounds._queued())
    finally:
        trainer.kill()
        trainer.join()


def test_a_request_that_ends_while_hints_are_repeated_is_no_long_work(scene: Scene) -> None:
    scene.requests.submit(REQUEST)
    scene.requests.submit(msgspec.structs.replace(REQUEST, id="long", work=Train("a", "fast")))
    found = {name: scene.rounds._is_long(name) for name in (REQUEST.id, "long", "gone")}
    assert found == {REQUEST.id: False, "long": True, "gone": False}


def hold(training: LongWork) -> None:
    """Do long work for longer than any test."""
    training.begin()
    time.sleep(600)


def test_old_outcomes_are_removed_and_newer_ones_stay(scene: Scene) -> None:
    scene.requests.submit(REQUEST)
    scene.folder.finish(scene.claim(), Outcome(ok=True), {})
    path = scene.store / ".requests" / REQUEST.id / "outcome.json"
    for age_s, stays in ((RETENTION_S - 60, True), (RETENTION_S + 60, False)):
        os.utime(path, (time.time() - age_s,) * 2)
        scene.rounds.go()
        assert path.exists() == stays


def test_models_are_mirrored_from_the_first_round_on(scene: Scene) -> None:
    card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
    Registry(scene.store).publish(card, {"model.tflite": b"a model"})
    scene.rounds.go()
    assert Mirror(scene.client).resolve(ModelName("shoes")).ref == "shoes@1"


def test_an_unreachable_server_does_not_end_the_rounds(scene: Scene, server: RedisServer) -> None:
    scene.requests.submit(REQUEST)
    scene.claim()
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


def test_every_file_without_room_is_named_beside_a_damaged_version(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(scene.store)
    card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
    for number in range(3):
        registry.publish(card, {"model.keras": bytes([number]) * (4 << 20)})
    (registry.folder("shoes") / "1" / "card.json").write_bytes(b"{")
    scene.client.config_set("maxmemory", scene.client.info("memory")["used_memory"] + (4 << 20))
    monkeypatch.setattr(maintenance, "PUBLISH_S", 0.0)
    for _ in range(2):
        scene.rounds.go()
    damaged, *without_room = [
        record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING
    ]
    assert "shoes@1 is damaged" in damaged
    named = [line.partition(":")[0] for line in without_room]
    assert named == ["model.keras of shoes@3", "model.keras of shoes@2"]


def test_a_file_without_room_is_named_once_and_not_tried_in_each_round(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
    Registry(scene.store).publish(card, {"model.keras": bytes(4 << 20)})
    scene.client.config_set("maxmemory", scene.client.info("memory")["used_memory"] + (4 << 20))
    aliases = keys.model_aliases("shoes")
    for interval, published in ((math.inf, 1), (math.inf, 0), (0.0, 1)):
        monkeypatch.setattr(maintenance, "PUBLISH_S", interval)
        scene.rounds.go()
        assert scene.client.delete(aliases) == published
    (line,) = [
        record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING
    ]
    assert "model.keras of shoes@1: 4 MiB do not fit" in line


def test_a_refusal_while_models_are_copied_is_recorded(
    scene: Scene, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also beside a damaged version."""
    monkeypatch.setattr(access_check, "refusal_limit", RefusalLimit(0.0))
    monkeypatch.setattr(state, "should_stop", None)
    server.client.acl_setuser(
        "trainer", enabled=True, passwords=["+x"], keys=["*"], commands=["+@all", "-set"]
    )
    registry = Registry(scene.store)
    card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
    for _ in range(2):
        registry.publish(card, {"model.tflite": b"a model"})
    (registry.folder("shoes") / "1" / "card.json").write_bytes(b"{")
    address = msgspec.structs.replace(address_of(server.url), user="trainer", password="x")
    with connect(address, "test") as client:
        Maintenance(client, scene.settings, scene._hint).go()
    assert state.should_stop == Exit.SETUP


def test_a_trainer_at_a_broker_needs_no_runtime_folder(scene: Scene, tmp_path: Path) -> None:
    """Another user may have made it."""
    folder = runtime_dir(Settings())
    folder.symlink_to(tmp_path)
    scene.requests.submit(REQUEST)
    Maintenance(scene.client, scene.settings, scene._hint).go()
    assert scene.hints == 1


def test_a_request_of_a_stack_waits_for_a_trainer_with_its_packages(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another environment has started the stack, for work that needs less."""
    settings = Settings(store=str(scene.settings.store_path))
    works: dict[str, Work] = {"promote": Promote("mine@2"), "train": Train("mine", "fast")}
    for name, work in works.items():
        request_store.keep(scene.store, msgspec.structs.replace(REQUEST, id=name, work=work))
    rounds = Maintenance(scene.client, settings, lambda _: None)
    with monkeypatch.context() as lacking:
        lacking.setattr(maintenance, "absent", {"keras"}.intersection)
        rounds.go()
        assert scene.requests.open() == ["promote"]
    rounds.go()
    assert sorted(scene.requests.open()) == ["promote", "train"]
