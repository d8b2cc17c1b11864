"""A trainer is killed in each stage: the store stays whole, and another trainer finishes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.processes.fleet import Fleet
from tests.support.processes.trainers import TIMES, School, draw_classes, parent
from tests.support.servers.redis_server import RedisServer

#: In the order of the stages, two deaths per request: the third attempt is the last one.
DEATHS = (
    ("loading", "epoch-2"),
    ("exporting", "evaluating"),
    ("renaming", "moving"),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_classes(tmp_path_factory.mktemp("classes") / "shapes")


@pytest.fixture
def school(server: RedisServer, tmp_path: Path, data: Path) -> Iterator[School]:
    with Fleet(server, **TIMES) as fleet, closing(School(fleet, tmp_path, data)) as school:
        yield school


@pytest.mark.parametrize("deaths", DEATHS, ids="+".join)
def test_a_trainer_killed_in_any_stage_loses_and_doubles_no_version(
    school: School, deaths: tuple[str, str]
) -> None:
    trainers = school.trainers(2)
    for moment in deaths:
        school.moments.hold(moment)
    request = school.ask("shapes")
    first = school.moments.wait_for(deaths[0])
    school.kill(first, request, parent(first, trainers))
    assert school.versions("shapes") == []
    school.moments.let_go(deaths[0])
    second = school.moments.wait_for(deaths[1], not_by=[first])
    school.kill(second, request)
    school.moments.let_go(deaths[1])
    school.check_one_version(request, school.trained(request).model)
    school.check_epochs()
