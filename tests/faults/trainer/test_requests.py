"""Faults of a request other than a killed trainer: repeated, cancelled, lost or late requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.errors import UsageError
from shared.ledger.request_store import RequestState
from shared.messages.requests import Rollback
from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet, Worker, wait_for
from tests.support.processes.trainers import TIMES, School, draw_classes, parent
from tests.support.servers.redis_server import RedisServer


class SharedSchool(NamedTuple):
    """The two trainers that all tests of this module share."""

    school: School
    trainers: list[Worker]


@pytest.fixture(scope="module")
def shared_school(
    tmp_path_factory: pytest.TempPathFactory, server_binary: Path
) -> Iterator[SharedSchool]:
    folder = tmp_path_factory.mktemp("school")
    data = draw_classes(folder / "shapes")
    with (
        RedisServer(server_binary) as server,
        Fleet(server, **TIMES) as fleet,
        closing(School(fleet, folder, data)) as school,
    ):
        yield SharedSchool(school, school.trainers(2))


@pytest.fixture
def school(shared_school: SharedSchool) -> Iterator[School]:
    shared_school.school.moments.reset()
    yield shared_school.school
    shared_school.school.moments.reset()


@pytest.fixture
def trainers(shared_school: SharedSchool) -> list[Worker]:
    return shared_school.trainers


def failed_request(school: School, request_id: str) -> str:
    """Submit a request that fails at once, without TensorFlow, and return its error."""
    school.ask(request_id, Rollback("no-such-model"))
    return school.outcome(request_id).error


def test_two_trainers_with_hints_of_one_request_make_one_version(
    school: School, trainers: list[Worker]
) -> None:
    school.moments.hold("loading")
    request = school.ask("woken")
    school.moments.wait_for("loading")
    before = [trainer.log.count("succeeded") for trainer in trainers]
    for _ in range(4):
        school.hint(request)
    wait_for(
        "the other trainer's refusals",
        lambda: any(
            trainer.log.count("succeeded") >= count + 2
            for trainer, count in zip(trainers, before, strict=True)
        ),
    )
    school.moments.let_go("loading")
    school.check_one_version(request, school.trained(request).model)
    school.check_epochs()


def test_a_repeated_request_returns_its_outcome_without_training(school: School) -> None:
    request = school.ask("again")
    first = school.trained(request)
    school.ask(request)
    assert school.trained(request) == first
    school.fleet.client.flushall()
    school.ask(request)
    assert school.trained(request) == first
    school.check_one_version(request, first.model)
    school.check_epochs()
    with pytest.raises(UsageError, match="exists for other work"):
        school.ask(request, school.training("again", epochs=9))
    school.fleet.client.flushall()
    school.ask(request, school.training("again", epochs=9))  # the store has the other work
    wait_for("the copy", lambda: school.look(request).is_stored)
    assert school.look(request).request.work == school.training("again")
    school.check_one_version(request, first.model)


def test_a_cancelled_training_ends_and_leaves_nothing(school: School) -> None:
    school.moments.hold("epoch-1")
    request = school.ask("unwanted", epochs=100_000)
    school.moments.wait_for("epoch-1")
    school.cancel(request)
    school.moments.let_go("epoch-1")
    wait_for("the end", lambda: not school.folder(request).work.exists())
    assert "no-such-model" in failed_request(school, "after-the-unwanted")
    assert school.look(request).state is RequestState.CANCELLED
    assert school.versions("unwanted") == []


def test_a_server_that_loses_its_data_costs_no_waiting_request_without_a_client(
    school: School,
) -> None:
    school.moments.hold("loading")
    busy = [school.ask("busy-1"), school.ask("busy-2")]
    wait_for("both trainers", lambda: len({pid for pid, _ in school.moments.reached}) == 2)
    request = school.ask("detached")
    wait_for("a trainer that stores it", lambda: school.look(request).is_stored)
    school.fleet.server.restart()
    school.moments.let_go("loading")
    for one in (request, *busy):
        school.check_one_version(one, school.trained(one).model)


@pytest.mark.parametrize("moment", ["epoch-2", "renaming"])
def test_a_suspended_trainer_keeps_its_request_and_publishes_once(
    school: School, trainers: list[Worker], moment: str
) -> None:
    """No other takes it: a resumed one continues where it was."""
    request = f"suspended-{moment}"
    school.moments.hold(moment)
    school.ask(request)
    child = school.moments.wait_for(moment)
    trainer = parent(child, trainers)
    (other,) = [one for one in trainers if one is not trainer]
    trainer.sleep()
    try:
        refused = other.log.count("succeeded")
        school.hint(request)
        wait_for("the other's refusal", lambda: other.log.count("succeeded") > refused)
        assert school.folder(request).state is RequestState.RUNNING
        assert school.versions(request) == []
        school.moments.let_go(moment)
    finally:
        trainer.wake()
    school.check_one_version(request, school.trained(request).model)
    school.check_epochs()


def test_a_killed_trainer_that_was_suspended_loses_its_request_to_the_next(
    school: School, trainers: list[Worker]
) -> None:
    school.moments.hold("epoch-2")
    request = school.ask("suspended-for-good")
    child = school.moments.wait_for("epoch-2")
    procfs.stop(child)
    procfs.kill(child)
    school.moments.let_go("epoch-2")
    school.check_one_version(request, school.trained(request).model)


@pytest.mark.parametrize(("how", "error"), [("bug", "ZeroDivisionError"), ("memory", "memory")])
def test_an_unexpected_error_fails_once_with_one_line(
    school: School, trainers: list[Worker], how: str, error: str
) -> None:
    school.moments.fail("loading", how)
    request = school.ask(f"failing-{how}")
    outcome = school.outcome(request)
    assert not outcome.ok
    assert error in outcome.error
    assert "\n" not in outcome.error
    assert "trainer's log" in outcome.error
    assert [moment for _, moment in school.moments.reached].count("loading") == 1
    assert any("as the test wants" in trainer.log for trainer in trainers)
    assert school.versions(f"failing-{how}") == []
