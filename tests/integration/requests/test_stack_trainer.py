"""The trainer of this machine's stack starts for a request and ends when idle."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.machine import stack
from producer.machine.server_client import ServerClient
from producer.trainer.client import make_request
from producer.trainer.existing import cancel, follow, open_requests
from producer.trainer.submit import submit
from shared import keys
from shared.broker.redis_client import connect
from shared.errors import BadMessage, RequestCancelled, SetupError, UsageError
from shared.ledger import request_store
from shared.ledger.request_store import RequestFolder, RequestState
from shared.messages.replies import Decided
from shared.messages.requests import Outcome, Promote
from shared.messages.training import Train
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.jobs import stored_requests
from tests.support.processes import local_stack, trainers
from tests.support.processes.fleet import wait_for
from tests.support.processes.local_stack import TRAINER, Place
from tests.support.servers.redis_server import RedisServer

MAX_ATTEMPTS = 3
#: Of a training that a test cancels.
EPOCHS = 20_000


@pytest.fixture
def place() -> Iterator[Place]:
    """A folder without a stack, and a store with two versions of `mine`."""
    yield from local_stack.with_versions(workers=False)


def down(place: Place) -> None:
    """End the stack; the next one has no workers either."""
    stack.down(place.settings)
    place.request_no_workers()


def endless(place: Place, recipe: str = "fast") -> Train:
    """A training that does not end before a test has cancelled it."""
    photos = place.folder / "photos"
    if not photos.exists():
        trainers.draw_classes(photos)
    return Train("mine", recipe, str(photos), epochs=EPOCHS)


def decided(outcome: Outcome) -> Decided:
    return outcome.decode(Decided)


def production(place: Place) -> int:
    return Registry(place.settings.store_path).aliases("mine")["production"]


def test_a_trainer_starts_for_a_request_and_ends_when_there_is_none(place: Place) -> None:
    stack.up(place.settings, 1)
    wait_for("a worker", place.alive)
    assert place.parents(TRAINER) == []
    outcome = submit(place.settings, make_request(Promote("mine@2"), "r1"))
    assert (decided(outcome).version, production(place)) == (2, 2)
    trainer = place.parents(TRAINER)
    wait_for("its end", lambda: not place.parents(TRAINER))
    assert len(trainer) <= 1
    assert [beat.queue for beat in place.alive()] == [keys.CLASSIFY_QUEUE]
    place.assert_one_of_each()


def test_a_request_that_one_stack_left_open_is_done_by_the_next(place: Place) -> None:
    stored_requests.keep_on_stack(place.settings, make_request(Promote("mine@2"), "left"))
    stack.up(place.settings, 1, floor=0)  # for another purpose
    wait_for("the promotion", lambda: production(place) == 2)
    _, outcome = follow(place.settings, "left")
    assert decided(outcome).changed


def test_a_request_outlives_the_stack_unless_it_is_cancelled(place: Place) -> None:
    store = place.settings.store_path
    submit(place.settings, make_request(endless(place), "r1"), wait=False)
    submit(place.settings, make_request(Promote("mine@2"), "r2"), wait=False)
    submit(place.settings, make_request(endless(place), "r3"), wait=False)
    record = RequestFolder(store, "r3").path / request_store.REQUEST_FILE
    record.write_bytes(record.read_bytes().replace(b'"recipe"', b'"recipe_of_2030"'))
    with pytest.raises(BadMessage):
        submit(place.settings, make_request(endless(place), "r3"), wait=False)
    cancel(place.settings, "r1")
    cancel(place.settings, "r3")
    for recipe, refused in (("tutorial", UsageError), ("fast", RequestCancelled)):
        with pytest.raises(refused, match="r1"):
            submit(place.settings, make_request(endless(place, recipe), "r1"), wait=False)
    down(place)
    _, outcome = follow(place.settings, "r2")
    assert decided(outcome).changed
    assert request_store.open_requests(store) == []


def test_a_cancelled_request_stays_cancelled_if_its_trainer_dies_at_once(place: Place) -> None:
    stack.up(place.settings, 1, floor=0)
    submit(place.settings, make_request(endless(place), "r1"), wait=False)
    folder = RequestFolder(place.settings.store_path, "r1")
    wait_for("its start", lambda: folder.state is RequestState.RUNNING)
    processes = place.all_of(TRAINER)
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    cancel(place.settings, "r1")
    for pid in processes:  # it never learned of it
        os.kill(pid, signal.SIGKILL)
    down(place)
    assert open_requests(place.settings) == []
    stack.up(place.settings, 1, floor=0)
    submit(place.settings, make_request(Promote("mine@2"), "r2"))  # starts a trainer
    assert open_requests(place.settings) == []
    wait_for("a round", lambda: not folder.work.exists())
    assert folder.state is RequestState.CANCELLED


def test_a_failure_that_was_reported_outlives_a_stack_that_ends_at_once(place: Place) -> None:
    request = make_request(Promote("mine@2"), "r1")
    folder = stored_requests.keep_on_stack(place.settings, request)
    for _ in range(MAX_ATTEMPTS):
        assert folder.enter()  # and dies
    stack.up(place.settings, 1, floor=0)
    with pytest.raises(SetupError, match="died 3 times"):
        follow(place.settings, "r1")
    place.client().shutdown(nosave=True)
    down(place)
    assert open_requests(place.settings) == []
    stack.up(place.settings, 1, floor=0)
    with pytest.raises(SetupError, match="mine@7"):  # its trainer has started
        submit(place.settings, make_request(Promote("mine@7")))
    for again in (lambda: submit(place.settings, request), lambda: follow(place.settings, "r1")):
        with pytest.raises(SetupError, match="died 3 times"):
            again()
    assert production(place) == 1


def test_a_waiting_request_keeps_the_stack_up_and_the_trainers_connections_do_not(
    server: RedisServer, tmp_path: Path
) -> None:
    settings = Settings(store=str(tmp_path / "store"), trainer_idle_s=0.2)
    own = [connect(server.url, role) for role in ("supervisor", "trainer", "pulse", "watchdog")]
    for client in own:
        client.ping()
    demand = ServerClient(settings, tmp_path, Path(server.socket))
    server.client.close()
    wait_for("idleness", lambda: demand.idle_s() > 0.3)
    stored_requests.keep(settings.store_path, make_request(Train("mine", "fast"), "of-a-broker"))
    assert not demand.training()
    folder = stored_requests.keep_on_stack(settings, make_request(Train("mine", "fast"), "r1"))
    assert demand.idle_s() < 0.1
    assert demand.training()
    folder.cancel()
    wait_for("idleness again", lambda: demand.idle_s() > 0.3)
    assert not demand.training()
