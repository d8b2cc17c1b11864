"""Two stacks that share a store: of two runtime folders, versions or machines."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial

import msgspec
import pytest

from producer.machine import stack
from producer.trainer.client import make_request, read
from producer.trainer.existing import cancel
from producer.trainer.submit import submit
from shared.ledger.request_store import RequestFolder, RequestState
from shared.messages.requests import Promote
from shared.messages.training import Train
from tests.support.processes import local_stack, trainers
from tests.support.processes.fleet import wait_for
from tests.support.processes.local_stack import TRAINER, Place

#: Of a training that a test cancels.
EPOCHS = 20_000


@pytest.fixture
def ours() -> Iterator[Place]:
    yield from local_stack.with_versions(workers=False)


@pytest.fixture
def theirs(ours: Place) -> Iterator[Place]:
    """A stack of the same store in another runtime folder."""
    for place in local_stack.new(workers=False):
        place.settings = msgspec.structs.replace(place.settings, store=ours.settings.store)
        place.request_no_workers()
        yield place


def training(place: Place) -> Train:
    photos = place.folder / "photos"
    if not photos.exists():
        trainers.draw_classes(photos)
    return Train("mine", "fast", str(photos), epochs=EPOCHS)


def promote(place: Place, request_id: str) -> None:
    """Have the place's trainer do short work, and with it a round of maintenance."""
    submit(place.settings, make_request(Promote("mine@2"), request_id))


def owner(place: Place, request_id: str, before: str = "") -> str:
    """The process of the place's trainer that works on a request, if it is not that of before."""
    with read(place.settings) as requests:
        view = requests.get(request_id)
    assert view is not None
    is_new = view.state is RequestState.RUNNING and view.owner != before
    return view.owner if is_new else ""


def is_free(folder: RequestFolder) -> bool:
    """Whether no process works on a request."""
    with folder.locked(0) as is_mine:
        return is_mine


def test_each_stack_does_its_own_requests_and_those_of_one_that_has_ended(
    ours: Place, theirs: Place
) -> None:
    stack.up(theirs.settings, 1, floor=0)
    os.kill(theirs.the("supervisor"), signal.SIGSTOP)  # its trainer does not start yet
    submit(theirs.settings, make_request(Promote("mine@2"), "theirs"), wait=False)
    folder = RequestFolder(ours.settings.store_path, "theirs")
    promote(ours, "ours")
    promote(ours, "later")
    assert folder.state is RequestState.WAITING
    theirs.killed("supervisor")
    wait_for("the work of a dead stack", lambda: folder.state is RequestState.DONE)


@pytest.mark.trains
def test_a_request_is_done_again_by_its_own_stack_and_cancelled_from_another(
    ours: Place, theirs: Place
) -> None:
    for place, other, request_id in ((ours, theirs, "r1"), (theirs, ours, "r2")):
        submit(place.settings, make_request(training(ours), request_id), wait=False)
        first = wait_for("its start", partial(owner, place, request_id))
        place.killed(TRAINER)
        wait_for("its next start", partial(owner, place, request_id, first))
        cancel(other.settings, request_id)
        folder = RequestFolder(ours.settings.store_path, request_id)
        assert folder.state is RequestState.CANCELLED
        wait_for("the end of its work", partial(is_free, folder))


def test_a_request_of_another_machine_waits_for_its_stack(ours: Place) -> None:
    """Its files may be there alone."""
    folder = RequestFolder(ours.settings.store_path, "theirs")
    assert folder.submit(make_request(Promote("mine@2"), "theirs"), stack="elsewhere:/tmp/none")
    promote(ours, "ours")
    promote(ours, "later")
    assert folder.state is RequestState.WAITING
