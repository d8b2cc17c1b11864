"""Fixtures of the fault tests: images and their table, a fleet per test, seeded random numbers."""

from __future__ import annotations

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

IMAGES = 1_000
PACED_APP = "tests.faults.apps.paced_worker"
#: What repairs a worker or a claim in the end: far away, so that no test passes thanks to it.
LAST_RESORTS = {"HANGTAG_WATCHDOG_S": "3600", "HANGTAG_BATCH_LIMIT_S": "3600"}

#: `--share` selects one of this many parts of the cases with the marker `points`.
SHARES = 6

#: Modules that take minutes start first, and those whose fixtures are cheap beside that are split
#: into parts, which run side by side: the longest would otherwise outlast all others.
LONG = {
    "tests/faults/server/test_memory_flat.py": 1,
    "tests/faults/trainer/test_failpoints.py": 3,
    "tests/faults/producer/test_failpoints.py": 4,
    "tests/faults/producer/test_failpoints_of_requests.py": 2,
    "tests/faults/worker/test_failpoints.py": 2,
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """One module at a time in each process, as `--dist loadscope`, or a part of one."""
    from tests.support.nodes.module_parts import ModuleParts

    return ModuleParts(config, log, LONG) if config.getvalue("dist") == "loadscope" else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--share", type=int, help="only the cases of crash points of this share")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long modules first, and leave out the crash points of the other shares."""
    order = [str(Path(__file__).parents[2] / module) for module in LONG]
    items.sort(
        key=lambda one: order.index(path) if (path := str(one.path)) in order else len(order)
    )
    # `pytest tests` loads this file after it has parsed its options.
    share = config.getoption("--share", None)
    if share is None:
        return
    others = [
        item
        for item in items
        if item.get_closest_marker("points") and _number(item) != share % SHARES
    ]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def _number(item: pytest.Item) -> int:
    """Hash the case's own parameters without the server: a new case moves no other case."""
    assert isinstance(item, pytest.Function)
    given = dict(item.callspec.params) if hasattr(item, "callspec") else {}
    given.pop("server_binary", None)
    return (
        crc32(f"{item.path.parent.name}/{item.path.name}::{item.originalname}{given}".encode())
        % SHARES
    )


@pytest.fixture(scope="module", autouse=True)
def leaves_nothing() -> Iterator[None]:
    """Check for leftover keys and processes after each fleet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fleet, "leaves_nothing", True)
        yield


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers that depend on the seed and the test's name only."""
    print(f"{VARIABLE}={SEED}")  # pytest displays it when the test fails
    return random.Random(f"{SEED}/{request.node.name}")


@pytest.fixture(scope="session")
def light_installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return light.installation(tmp_path_factory.mktemp("light"))


@pytest.fixture(scope="module", autouse=True)
def model(request: pytest.FixtureRequest) -> Iterator[None]:
    """Installs a light model, except in modules with the marker `shipped_model`."""
    if request.node.get_closest_marker("shipped_model"):
        yield
        return
    installation = request.getfixturevalue("light_installation")
    with light.packaged(installation), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fleet, "installation", installation)
        patch.setattr(Fleet, "app", PACED_APP)
        yield


@pytest.fixture(scope="module")
def images(model: None, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


@pytest.fixture
def fleet(server: RedisServer, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """A fleet with short timeouts, for faults of minutes with the default ones."""
    times = {} if request.node.get_closest_marker("minutes") else SHORT_TIMES | LAST_RESORTS
    with Fleet(server, **times) as running:
        yield running


@pytest.fixture
def stage(fleet: Fleet, images: Gallery, tmp_path: Path, chance: random.Random) -> Scenario:
    return Scenario(fleet, images, tmp_path, chance)
