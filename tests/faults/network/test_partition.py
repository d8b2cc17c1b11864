"""The network link between Redis and a worker or a producer is cut and restored."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.scenario import Scenario
from tests.support.machine import network_namespaces, network_partitions
from tests.support.machine.network_namespaces import FarServer, Network
from tests.support.servers.redis_server import RedisServer

CUT_S = 5.0
IMAGES = 2_400


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


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


def test_a_hint_sent_into_a_cut_link_is_only_late(stage: Scenario, network: Network) -> None:
    network_partitions.popped_into_a_cut_cable(stage, network, CUT_S)


def test_a_worker_recovers_from_a_partition_by_itself(stage: Scenario, network: Network) -> None:
    network_partitions.cut_with_a_live_claim(stage, network, CUT_S)


def test_a_batch_done_again_on_the_other_side_has_one_row_per_image(
    stage: Scenario, network: Network
) -> None:
    network_partitions.done_again_on_the_other_side(stage, network)


def test_a_producer_that_is_cut_off_reports_it_soon_and_continues(
    stage: Scenario, network: Network
) -> None:
    noticed = network_partitions.producer_cut_off(stage, network, CUT_S)
    assert noticed < 20  # seconds: 15 for a reply, and 5 more
