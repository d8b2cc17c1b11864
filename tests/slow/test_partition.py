"""Network links that are cut for a minute, and for ten, with the default settings.

Takes 35 minutes in all.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.jobs.scenario import Scenario
from tests.support.machine import network_namespaces, network_partitions
from tests.support.machine.network_namespaces import FarServer, Network
from tests.support.servers.redis_server import RedisServer

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1200)]
CUTS = pytest.mark.parametrize("seconds", [60.0, 600.0], ids=["1min", "10min"])


@pytest.fixture
def network() -> Iterator[Network]:
    if reason := network_namespaces.why_not():
        pytest.skip(reason)
    with Network() as made:
        yield made


@pytest.fixture
def server(server: RedisServer, network: Network) -> Iterator[RedisServer]:
    """The same server behind network links."""
    server.close()
    with FarServer(server.binary, network) as far:
        yield far


@CUTS
def test_a_hint_sent_into_a_cut_link_is_only_late(
    stage: Scenario, network: Network, seconds: float
) -> None:
    network_partitions.popped_into_a_cut_cable(stage, network, seconds)


@CUTS
def test_a_worker_recovers_from_a_partition_by_itself(
    stage: Scenario, network: Network, seconds: float
) -> None:
    network_partitions.cut_with_a_live_claim(stage, network, seconds)


@CUTS
def test_a_producer_that_is_cut_off_reports_it_soon_and_continues(
    stage: Scenario, network: Network, seconds: float
) -> None:
    noticed = network_partitions.producer_cut_off(stage, network, seconds)
    assert noticed < 20  # seconds: 15 for a reply, and 5 more
