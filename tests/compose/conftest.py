"""Images that are built once, and services that run for the whole session."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose import bases
from tests.compose.engine import Compose, ended, engine_runs, log
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.processes import trainers

IMAGES = 10_000
#: At CPUS of a core 0.6 s for each message of 8: faults meet a job in progress.
LARGE_IMAGES = 2_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Extend the timeout for slow engines; skip the tests without an engine."""
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
    """The project, without containers, volumes and images."""
    project = Compose(folder)
    project.down()
    return project


@pytest.fixture(scope="session")
def photos(folder: Path, project: Compose) -> Gallery:
    """Image files below `folder`/pictures, and their table from a plain loop on this machine.

    The engine builds the container images in parallel.
    """
    bases.provide()
    started = time.monotonic()
    building = project.start("--progress", "quiet", "--profile", "*", "build")
    trainers.draw_classes(folder / "data/garments")
    made = gallery.make(folder, IMAGES)
    ended(building)
    log(f"{IMAGES:,} files have a table of a plain loop, every image is built", started)
    return made


@pytest.fixture(scope="session")
def large_photos(folder: Path) -> Gallery:
    """Pictures that take much longer than any model."""
    return gallery.make_large(folder / "large", LARGE_IMAGES)


@pytest.fixture(scope="session")
def compose(project: Compose, photos: Gallery) -> Iterator[Compose]:
    """The services: a server, one worker and a trainer, all healthy."""
    log(bases.origins())
    started = time.monotonic()
    try:
        project.run("up", "-d", "--wait")
        log("up and healthy", started)
        yield project
    finally:
        started = time.monotonic()
        project.down()
        log("down", started)
