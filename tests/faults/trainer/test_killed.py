"""A trainer is killed in each stage: the store stays whole, and another trainer finishes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.ledger.request_store import RequestView
from tests.support.processes.fleet import Fleet, wait_for
from tests.support.processes.trainers import TIMES, School, draw_classes
from tests.support.servers.redis_server import RedisServer

MAX_ATTEMPTS = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_classes(tmp_path_factory.mktemp("classes") / "shapes")


@pytest.fixture
def school(server: RedisServer, tmp_path: Path, data: Path) -> Iterator[School]:
    with Fleet(server, **TIMES) as fleet, closing(School(fleet, tmp_path, data)) as school:
        yield school


@pytest.mark.nightly
def test_a_training_that_gets_further_each_time_outlives_any_number_of_deaths(
    school: School,
) -> None:
    epochs = MAX_ATTEMPTS + 1  # as many deaths as end one that gets no further
    school.trainers(1)
    request, victims = school.ask("shapes", epochs=epochs), list[int]()
    for epoch in range(1, epochs):
        school.moments.hold(f"epoch-{epoch}")
    for epoch in range(1, epochs):
        victims.append(school.moments.wait_for(f"epoch-{epoch}", not_by=victims))
        wait_for("its report", lambda: reported(school.look(request)) == len(victims))
        school.kill(victims[-1], request)
        school.moments.let_go(f"epoch-{epoch}")
    school.check_one_version(request, school.trained(request).model)
    school.check_epochs(epochs)


def test_a_training_that_dies_at_one_place_fails_for_good(school: School) -> None:
    school.trainers(1)
    school.moments.hold("loading")  # before its steps, each of which is further
    request, victims = school.ask("shapes"), list[int]()
    for _ in range(MAX_ATTEMPTS):
        victims.append(school.moments.wait_for("loading", not_by=victims))
        wait_for("its report", lambda: school.look(request).progress is not None)
        school.kill(victims[-1], request)
    outcome = school.outcome(request)
    assert (outcome.ok, "died 3 times" in outcome.error) == (False, True)
    school.fleet.client.flushall()
    school.ask(request, school.training("shapes"))
    assert school.outcome(request) == outcome
    assert school.versions("shapes") == []
    assert {pid for pid, moment in school.moments.reached if moment == "loading"} == set(victims)


def reported(view: RequestView) -> int:
    """The epoch of the last renewal."""
    return view.progress.epoch if view.progress is not None else 0
