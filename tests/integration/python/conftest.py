"""A server with a worker for each module, and what `import hangtag` needs to use it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.processes.fleet import SHORT_TIMES, Fleet
from tests.support.servers.redis_server import RedisServer

IMAGES = 200


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """200 images in `pictures/`, in folders named like labels."""
    return gallery.make(tmp_path_factory.mktemp("few"), IMAGES)


@pytest.fixture(scope="module")
def running(server_binary: Path) -> Iterator[Fleet]:
    """A server for the module."""
    with RedisServer(server_binary) as server, Fleet(server, **SHORT_TIMES) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def working(running: Fleet) -> Fleet:
    """The same with a worker."""
    running.worker(concurrency=1)
    return running


@pytest.fixture
def here(running: Fleet, images: Gallery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """This process uses the server, in a folder with `pictures`, and has temporary files there."""
    for name, value in running.environment({}).items():
        if name.startswith("HANGTAG_"):
            monkeypatch.setenv(name, value)
    (tmp_path / "pictures").symlink_to(images.cwd / "pictures")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", os.fspath(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    return tmp_path
