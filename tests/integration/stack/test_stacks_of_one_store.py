"""A store that the stacks of several runtime folders, or machines, share: one has each request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from producer.requests.client import make_request
from producer.requests.existing import cancel, follow
from producer.requests.open_requests import open_requests
from producer.requests.submit import submit
from producer.stack import stack, store_lock
from producer.stack.store_lock import StoreLock
from shared.broker.runtime_paths import private_stack_dir, stack_id, stack_name
from shared.errors import SetupError
from shared.ledger import request_store
from shared.messages.requests import Promote
from tests.support.machine.small_disk import mounted
from tests.support.processes import local_stack
from tests.support.processes.fleet import wait_for
from tests.support.processes.local_stack import Place

TOKEN = "00000000"


@pytest.fixture
def place() -> Iterator[Place]:
    """A folder without a stack, and a store with two versions of `mine`."""
    yield from local_stack.with_versions(workers=False)


def test_a_stack_takes_no_request_of_a_stack_that_runs_or_of_another_machine(place: Place) -> None:
    """A stack that took it as well would train a second time, and `cancel` would not end it."""
    store = place.settings.store_path
    other = msgspec.structs.replace(place.settings, runtime_dir=str(place.folder / "other"))
    private_stack_dir(other)
    lock = StoreLock(other)
    lock.hold()
    name, _, host = stack_id(other).partition("@")
    dead = f"{name.partition('-')[0]}-{TOKEN}"
    owners = {
        "theirs": stack_id(other),
        "far": f"{dead}@not-{host}",
        "near": f"{dead}@{host}",
        "old": stack_name(other),  # an id of a stack whose folder is gone
    }
    for request_id, owner in owners.items():
        request_store.keep(store, make_request(Promote("mine@2"), request_id), None, owner)
    stack.up(place.settings, 1, floor=0)
    adopted = ("near", "old")
    wait_for("the outcomes", lambda: all(request_store.outcome(store, one) for one in adopted))
    for request_id in adopted:
        assert request_store.owner(store, request_id) == stack_id(place.settings)
    for request_id in ("theirs", "far"):
        assert request_store.owner(store, request_id) == owners[request_id]
        assert request_store.outcome(store, request_id) is None
    listed = {one.request: one.state for one in open_requests(place.settings)}
    assert (listed["theirs"], listed["far"]) == ("elsewhere", "paused")
    for command in (cancel, follow):
        with pytest.raises(SetupError, match=f"theirs belongs to the stack in {place.folder}"):
            command(place.settings, "theirs")
    with pytest.raises(SetupError, match="theirs belongs to the stack in"):
        submit(place.settings, make_request(Promote("mine@2"), "theirs"))
    follow(place.settings, "far")  # a command that names it adopts it
    assert request_store.owner(store, "far") == stack_id(place.settings)
    assert follow(other, "far")[1].ok
    assert not stack.describe(other).running, "an outcome in the store needs no stack"
    lock.end()
    wait_for("the outcome", lambda: request_store.outcome(store, "theirs"))


def test_the_lock_of_a_stack_follows_its_store(place: Place) -> None:
    store = place.settings.store_path
    stack.up(place.settings, 1, floor=0)
    me = stack_id(place.settings)
    assert str(place.folder) in store_lock.place(store, me)
    store.rename(place.folder / "gone")  # a supervisor that makes folders fails no rename
    store.mkdir()
    wait_for("the lock in the new store", lambda: store_lock.place(store, me))
    place.killed("supervisor")
    assert not store_lock.place(store, me)
    assert not store_lock.place(store, "../../stack")
    stack.ensure(place.settings)
    assert stack_id(place.settings) == me
    assert store_lock.place(store, me)
    stack.down(place.settings)
    assert not list((store / request_store.FOLDER).glob(".stack-*"))


def test_the_lock_is_held_on_a_full_disk(place: Place, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "1m") as disk:
        full = msgspec.structs.replace(place.settings, store=str(disk.folder))
        private_stack_dir(full)
        supervisor = StoreLock(full)
        supervisor.hold()
        supervisor.end()
        disk.fill(0)
        supervisor.hold()
        assert store_lock.place(disk.folder, stack_id(full)) == "another folder"
        supervisor.end()
