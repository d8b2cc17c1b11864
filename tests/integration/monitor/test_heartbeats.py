"""Heartbeats: which workers are alive, also where different versions share a server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from producer.machine import workers
from producer.monitor.metric_families import Families, take_snapshot
from shared import keys
from shared.broker.redis_client import connect
from shared.ledger import heartbeats
from shared.ledger.batch_ledger import BatchLedger, BatchState, ClaimVerdict
from shared.ledger.heartbeats import Heartbeat
from shared.settings import Settings
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer
from worker.lifecycle.child_records import WorkerStats
from worker.lifecycle.heartbeat_thread import HeartbeatThread

JOB = "abcdefgh"
OTHER = "other:1:2"


def beat(server: RedisServer, worker: str, children: list[str], ttl_s: float = 60) -> Heartbeat:
    at_ms = heartbeats.server_ms(server.client)
    one = Heartbeat(worker, "host", 1, keys.CLASSIFY_QUEUE, children, [], 0, 0.0, 0, at_ms, 0, {})
    heartbeats.beat(server.client, one, ttl_s)
    return one


def test_a_worker_is_alive_until_its_heartbeat_expires(server: RedisServer) -> None:
    one = beat(server, "a:1:1", ["5:6"])
    beat(server, "b:1:1", [], ttl_s=0.001)
    while server.client.exists(keys.worker("b:1:1")):
        pass
    assert heartbeats.alive(server.client) == [one]


def test_a_heartbeat_removes_workers_without_one_for_an_hour(server: RedisServer) -> None:
    silent = beat(server, "b:1:1", [])
    beat(server, "c:1:1", [])
    seen_s = silent.at_ms / 1000
    server.client.zadd(keys.WORKERS, {silent.id: seen_s - 3_601, "d:1:1": seen_s - 3_500})
    beat(server, "a:1:1", [])
    assert sorted(server.client.zrange(keys.WORKERS, 0, -1)) == [b"a:1:1", b"c:1:1", b"d:1:1"]
    assert 0 < server.client.ttl(keys.WORKERS) <= 3_600


def test_a_stopped_worker_is_removed(server: RedisServer) -> None:
    beat(server, "a:1:1", [])
    heartbeats.stop(server.client, "a:1:1")
    assert heartbeats.alive(server.client) == []
    assert not server.client.keys("hangtag:*")


def test_timestamps_from_before_a_clock_reset_block_no_work(
    server: RedisServer,
) -> None:
    """As if the server's clock had just been set back by an hour."""
    client, later = server.client, heartbeats.server_ms(server.client) + 3_600_000
    one = beat(server, OTHER, ["7:8"])
    client.hset(keys.job(JOB, "record"), mapping={"record": "r", "state": "running"})
    client.hset(keys.job(JOB, "payload"), "0", "images")
    ledger = BatchLedger(client, JOB, limit_s=60)
    client.hset(keys.job(JOB, "owner"), "0", f"{OTHER}/7:8|{later}")
    assert ledger.survey([0])[1] == [BatchState.FREED], "a claim of the future"
    assert ledger.claim(0, f"{OTHER}/7:8").verdict is ClaimVerdict.RUN
    assert ledger.survey([0])[1] == [BatchState.HELD]
    heartbeats.beat(client, msgspec.structs.replace(one, at_ms=later), 60)
    assert heartbeats.alive(client) == []
    assert ledger.survey([0])[1] == [BatchState.FREED], "a heartbeat of the future"


@pytest.mark.parametrize(
    ("after_ms", "verdict"),
    [(0, ClaimVerdict.HELD), (5_000, ClaimVerdict.HELD), (5_001, ClaimVerdict.RUN)],
)
def test_a_claim_outlives_5_seconds_of_heartbeats_that_list_its_child_as_idle(
    server: RedisServer, after_ms: int, verdict: ClaimVerdict
) -> None:
    """A parent learns later than the server that its child works."""
    client, ledger = server.client, BatchLedger(server.client, JOB, limit_s=60)
    client.hset(keys.job(JOB, "record"), mapping={"record": "r", "state": "running"})
    client.hset(keys.job(JOB, "payload"), "0", "images")
    one = beat(server, OTHER, ["7:8"])
    assert ledger.claim(0, f"{OTHER}/7:8").verdict is ClaimVerdict.RUN
    claimed_ms = int(cast(bytes, client.hget(keys.job(JOB, "owner"), "0")).rpartition(b"|")[2])
    idle = msgspec.structs.replace(one, at_ms=claimed_ms + after_ms, idle=["7:8"])
    heartbeats.beat(client, idle, 60)
    assert ledger.claim(0, "a:1:1/5:6").verdict is verdict


@pytest.mark.parametrize(
    "field", [{"images": 10**400}, {"memory_bytes": 10**400}, {"failures": {"missing": 10**300}}]
)
def test_an_invalid_figure_hides_no_other_worker(
    server: RedisServer, field: dict[str, object]
) -> None:
    one = beat(server, "a:1:1", ["5:6"])
    fields = msgspec.to_builtins(one) | {"id": OTHER} | field
    server.client.set(keys.worker(OTHER), json.dumps(fields))
    server.client.zadd(keys.WORKERS, {OTHER: 1})
    registry = CollectorRegistry()
    registry.register(Families(lambda: take_snapshot(server.client)))
    assert b'hangtag_workers{queue="classify"} 1.0' in generate_latest(registry)
    assert len(workers.table(heartbeats.alive(server.client))) == 2


def test_control_characters_in_a_workers_name_do_not_reach_the_terminal(
    server: RedisServer,
) -> None:
    one = beat(server, "a:1:1", [])
    foul = msgspec.structs.replace(one, host="a\x1b[2J\nb", queue="\x9b", versions=["\x1b]0;"])
    _, row = workers.table([foul])
    assert row.isprintable()


@pytest.fixture
def tally(server: RedisServer) -> Iterator[WorkerStats]:
    """The statistics that a worker sends with ten heartbeats a second."""
    settings = msgspec.structs.replace(Settings.from_env(), heartbeat_s=0.1, heartbeat_ttl_s=60.0)
    client = connect(server.url, "pulse")
    poolless = SimpleNamespace(pool=None)
    pulse = HeartbeatThread(settings, client, OTHER, keys.CLASSIFY_QUEUE, poolless)
    pulse.start()
    yield pulse.stats
    pulse.stop()
    client.close()


def next_beat(server: RedisServer, images: int) -> Heartbeat:
    """The first heartbeat that reports this number of images."""
    return wait_for(
        f"a beat with {images} images",
        lambda: next((b for b in heartbeats.alive(server.client) if b.images == images), None),
    )


def test_batches_that_outlast_a_heartbeat_are_a_steady_rate(
    server: RedisServer, tally: WorkerStats
) -> None:
    rates = []
    for batch in range(1, 5):
        time.sleep(1.0)
        tally.add(7, 100, {}, [])
        next_beat(server, batch * 100)
        for _ in range(4):
            time.sleep(0.2)
            (one,) = heartbeats.alive(server.client)
            rates.append(one.rate)
    assert all(rate > 0 for rate in rates), "the rate is 0 between two ends of batches"
    truth = 400 / _lived_s(one)
    assert rates[-1] == pytest.approx(truth, rel=0.1)
    assert max(rates[4:]) < 2 * truth


def _lived_s(beat: Heartbeat) -> float:
    return (beat.at_ms - beat.since_ms) / 1000
