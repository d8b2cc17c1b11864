"""What tests that take minutes share with the fault tests. Their times are what people have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.conftest import chance, leaves_nothing, light_installation, model, pictures, stage
from tests.support.processes.fleet import Fleet
from tests.support.servers.redis_server import RedisServer

__all__ = ["chance", "leaves_nothing", "light_installation", "model", "pictures", "stage"]


@pytest.fixture
def fleet(server: RedisServer) -> Iterator[Fleet]:
    """Processes with the settings that ship."""
    with Fleet(server) as running:
        yield running
