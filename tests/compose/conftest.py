"""Images that are built once, and services that run from the first test to the last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose import bases
from tests.compose.engine import Compose, ended, engine_runs, say
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.processes import trainers

IMAGES = 10_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A slow engine may take its time; a laptop without one has nothing to run."""
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    missing = not engine_runs()
    for item in here:
        item.add_marker(pytest.mark.timeout(1200))
        if missing:
            item.add_marker(pytest.mark.skip("no container engine"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compose")


@pytest.fixture(scope="session")
def project(folder: Path) -> Compose:
    """Nothing of it is there yet."""
    made = Compose(folder)
    made.down()
    return made


@pytest.fixture(scope="session")
def pictures(folder: Path, project: Compose) -> Gallery:
    """Pictures below `folder`/pictures, and the table that a plain loop makes of them here.

    Meanwhile the engine builds the images.
    """
    bases.provide()
    begun = time.monotonic()
    building = project.start("--progress", "quiet", "--profile", "*", "build")
    trainers.draw_classes(folder / "data/garments")
    made = gallery.make(folder, IMAGES)
    ended(building)
    say(f"{IMAGES:,} pictures have a table of a plain loop, every image is built", begun)
    return made


@pytest.fixture(scope="session")
def compose(project: Compose, pictures: Gallery) -> Iterator[Compose]:
    """The services: a server, one worker and a trainer, all well."""
    say(bases.told())
    begun = time.monotonic()
    try:
        project.run("up", "-d", "--wait")
        say("up, and well", begun)
        yield project
    finally:
        begun = time.monotonic()
        project.down()
        say("down", begun)
