"""One fleet and one gallery, shared by all end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.processes.fleet import Fleet
from tests.support.servers.redis_server import RedisServer

IMAGES = 1_000


@pytest.fixture(scope="session")
def fleet(server_binary: Path) -> Iterator[Fleet]:
    """A server and a worker with two children, with users' settings."""
    with RedisServer(server_binary) as server, Fleet(server, HANGTAG_BATCH_IMAGES="256") as running:
        running.worker()
        yield running


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """A thousand images, in folders named after their labels."""
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)
