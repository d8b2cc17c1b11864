"""Fixtures that the tests of minutes share with the fault tests, with the default settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.conftest import chance, images, leaves_nothing, light_installation, model, stage
from tests.support.processes.fleet import Fleet
from tests.support.servers.redis_server import RedisServer

__all__ = ["chance", "images", "leaves_nothing", "light_installation", "model", "stage"]


@pytest.fixture
def fleet(server: RedisServer) -> Iterator[Fleet]:
    """A fleet with the default settings."""
    with Fleet(server) as running:
        yield running
