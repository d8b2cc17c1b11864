"""Images that are built once, and services that run from the first test to the last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import gallery, trainers
from tests.compose.engine import Compose, bases, engine_runs, say
from tests.gallery import Gallery

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
def compose(folder: Path) -> Iterator[Compose]:
    """The services: a server, one worker and a trainer, all well."""
    made = Compose(folder)
    trainers.draw_classes(folder / "data/garments")
    made.down()
    begun = time.monotonic()
    try:
        made.run("--profile", "*", "build")
        say("every image is built", begun)
        say(bases())
        begun = time.monotonic()
        made.run("up", "-d", "--wait")
        say("up, and well", begun)
        yield made
    finally:
        begun = time.monotonic()
        made.down()
        say("down", begun)


@pytest.fixture(scope="session")
def pictures(folder: Path) -> Gallery:
    """Pictures below `folder`/pictures, and the table that a plain loop makes of them here."""
    begun = time.monotonic()
    made = gallery.make(folder, IMAGES)
    say(f"{IMAGES:,} pictures, and the table of a plain loop on this machine", begun)
    return made
