"""What fault tests share: pictures and their table, a fleet each, and a seed for all chance."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.scenario import Scenario
from tests.support.processes import light_installation as light
from tests.support.processes.fleet import SHORT_TIMES, Fleet
from tests.support.random_seed import SEED, VARIABLE
from tests.support.servers.redis_server import RedisServer

PICTURES = 1_000
PACED_APP = "tests.faults.apps.paced_worker"

#: Of the cases with the marker `points` `--third` runs some, always the same; so does the variable.
THIRD_VARIABLE = "HANGTAG_TEST_THIRD"
THIRDS = ("0", "1", "2")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--third", help="0, 1 or 2: only this third of the crash points' cases")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the crash points of the other two thirds."""
    # The option is not known where pytest has met this file late, as in `pytest tests`.
    third = config.getoption("--third", None) or os.environ.get(THIRD_VARIABLE, "")
    if not third:
        return
    if third not in THIRDS:
        raise pytest.UsageError(f"--third or {THIRD_VARIABLE} is {third!r}; use 0, 1 or 2")
    others = [
        one for one in items if one.get_closest_marker("points") and _third(one) != int(third)
    ]
    config.hook.pytest_deselected(items=others)
    items[:] = [one for one in items if one not in others]


def _third(item: pytest.Item) -> int:
    """By the case's own parameters: a new case moves no other one, nor does another server."""
    assert isinstance(item, pytest.Function)
    given = dict(item.callspec.params) if hasattr(item, "callspec") else {}
    given.pop("server_binary", None)
    return crc32(
        f"{item.path.parent.name}/{item.path.name}::{item.originalname}{given}".encode()
    ) % len(THIRDS)


@pytest.fixture(scope="module", autouse=True)
def leaves_nothing() -> Iterator[None]:
    """After each fleet of a fault test it is looked at what is left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fleet, "leaves_nothing", True)
        yield


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """The test's own random numbers: the same for the same seed, whatever runs beside it."""
    print(f"{VARIABLE}={SEED}")  # pytest shows it where a test failed
    return random.Random(f"{SEED}/{request.node.name}")


@pytest.fixture(scope="session")
def light_installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return light.installation(tmp_path_factory.mktemp("light"))


@pytest.fixture(scope="module", autouse=True)
def model(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever the model is not the subject of has a light one; `shipped_model` marks the rest."""
    if request.node.get_closest_marker("shipped_model"):
        yield
        return
    installation = request.getfixturevalue("light_installation")
    with light.packaged(installation), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fleet, "installation", installation)
        patch.setattr(Fleet, "app", PACED_APP)
        yield


@pytest.fixture(scope="module")
def pictures(model: None, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """A thousand pictures."""
    return gallery.make(tmp_path_factory.mktemp("gallery"), PICTURES)


@pytest.fixture
def fleet(server: RedisServer) -> Iterator[Fleet]:
    """Processes with short times."""
    with Fleet(server, **SHORT_TIMES) as running:
        yield running


@pytest.fixture
def stage(fleet: Fleet, pictures: Gallery, tmp_path: Path, chance: random.Random) -> Scenario:
    """The usual scene."""
    return Scenario(fleet, pictures, tmp_path, chance)
