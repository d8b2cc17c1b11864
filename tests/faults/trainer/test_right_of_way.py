"""The requests of people go first: a trial makes way at its next step, and goes on from there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from shared.ledger.request_states import RequestState
from shared.messages.training import Train
from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet, wait_for
from tests.support.processes.trainers import TIMES, School, draw_classes
from tests.support.servers.redis_server import RedisServer

APP = "tests.faults.apps.slow_steps_trainer"


@pytest.fixture
def school(server: RedisServer, tmp_path: Path) -> Iterator[School]:
    data = draw_classes(tmp_path / "shapes")
    with Fleet(server, **TIMES) as fleet, closing(School(fleet, tmp_path, data)) as school:
        yield school


def steps(school: School) -> list[list[str]]:
    """The steps of all trainings, in order: the process, and what identifies the images."""
    file = school.store.parent / "moments" / "steps"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def trial(school: School) -> str:
    work = msgspec.structs.replace(school.training("photos", epochs=1), trial=True)
    return school.ask("photos", work)


def waits(school: School, request: str) -> bool:
    return school.look(request).state is RequestState.WAITING


def test_a_trial_makes_way_in_the_middle_of_an_epoch_and_repeats_no_step(school: School) -> None:
    school.trainers(1, APP)
    request = trial(school)
    wait_for("the middle of an epoch", lambda: len(steps(school)) > 1)
    person = school.ask("me", Train("me", "no-such-recipe", str(school.data)))
    assert "no-such-recipe" in school.outcome(person).error
    (school.store.parent / "moments" / "fast").touch()
    paused = steps(school)
    assert school.moments.epochs() == [], "the epoch had ended: the test proves nothing"
    school.check_one_version(request, school.trained(request).model)
    assert school.look(request).attempts == 1  # neither died
    assert school.moments.epochs() == [1]
    found = steps(school)
    assert len({pid for pid, _ in found}) == 2
    assert found[: len(paused)] == paused
    images = [step for _, step in found]
    assert len(images) == len(set(images)), "a step was repeated"


def test_a_trial_of_which_no_thread_runs_is_ended_for_a_person_and_continued(
    school: School,
) -> None:
    """As if it held the interpreter's lock."""
    school.trainers(1, APP)
    request = trial(school)
    wait_for("the middle of an epoch", lambda: len(steps(school)) > 1)
    pid = int(steps(school)[-1][0])
    procfs.stop(pid)
    person = school.ask("me", Train("me", "no-such-recipe", str(school.data)))
    assert "no-such-recipe" in school.outcome(person).error
    procfs.wait_for_end([pid])
    (school.store.parent / "moments" / "fast").touch()
    school.check_one_version(request, school.trained(request).model)
    assert school.look(request).attempts == 1  # that it was ended does not count


def test_a_trial_does_not_start_while_a_person_waits(school: School) -> None:
    """It was requested first, and both its hints come first."""
    request = trial(school)
    school.hint(request)
    person = school.ask("me", Train("me", "no-such-recipe", str(school.data)))
    school.trainers(1)
    assert "no-such-recipe" in school.outcome(person).error
    assert school.moments.reached == []
    school.moments.wait_for("loading")
    school.requests.cancel(request)


def test_a_person_waits_for_a_person_and_a_trial_for_a_trial(school: School) -> None:
    school.trainers(1)
    school.moments.hold("epoch-1")
    first = school.ask("first", epochs=1)
    school.moments.wait_for("epoch-1")
    work = Train("other", "no-such-recipe", str(school.data))
    others = [
        school.ask("second", work),
        school.ask("third", msgspec.structs.replace(work, trial=True)),
    ]
    time.sleep(3)
    assert school.look(first).state is RequestState.RUNNING
    assert all(waits(school, other) for other in others)
    school.moments.let_go("epoch-1")
    for request in others:
        assert "no-such-recipe" in school.outcome(request).error
    assert school.outcome(first).ok
