"""Network links that are cut for a minute, and for ten, with the default settings.

Takes 35 minutes in all.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared import keys
from shared.broker.redis_client import TIMEOUT_S
from tests.support.jobs.claims import Held
from tests.support.jobs.scenario import Scenario
from tests.support.machine import network_namespaces, network_partitions
from tests.support.machine.network_namespaces import FarServer, Network
from tests.support.processes.fleet import Producer, Worker, wait_for
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
    stage: Scenario, network: Network, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    catch = stage.catch

    def catch_between_offers(producer: Producer, *workers: Worker) -> Held:
        held = catch(producer, *workers)
        wait_until_nothing_is_offered(stage, held.job)
        return held

    # A cut between the images of a batch and its hint costs a hint that only a repetition replaces.
    monkeypatch.setattr(stage, "catch", catch_between_offers)
    noticed = network_partitions.producer_cut_off(stage, network, seconds)
    assert noticed < TIMEOUT_S + 5


def wait_until_nothing_is_offered(stage: Scenario, job: str) -> None:
    """Wait until the producer has offered no batch between two of its heartbeats."""
    client, payload = stage.fleet.client, keys.job(job, "payload")
    before = client.zscore(keys.JOBS, job)
    offered: object = None  # not before the first heartbeat from now on

    def has_paused() -> bool:
        nonlocal before, offered
        beat, now = client.zscore(keys.JOBS, job), client.hkeys(payload)
        if beat == before:
            return False
        paused = now == offered
        before, offered = beat, now
        return paused

    wait_for("a heartbeat without an offer", has_paused)
