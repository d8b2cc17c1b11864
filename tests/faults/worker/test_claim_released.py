"""A live child that does not work on its batch must not block the batch for others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import redis

from producer.job.totals import JobCounts
from producer.run.job_queue import JobQueue, PublishedProgress
from shared import keys
from shared.broker.celery_app import make_app
from shared.broker.redis_client import connect
from shared.ledger import heartbeats
from shared.ledger.batch_ledger import BatchLedger, BatchState
from shared.messages.batch import JobRecord, encode_images
from shared.process import child_id
from shared.registry import packaged
from shared.settings import Settings
from tests.support.jobs.claims import claims
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer
from worker.classify.classify_batch import classify
from worker.classify.process_state import ProcessState
from worker.lifecycle.heartbeat_thread import Death, HeartbeatThread

JOB = "abcdefgh"


def wait_for_next_beat(client: redis.Redis, parent: str) -> None:
    seen = client.get(keys.worker(parent))
    wait_for("another beat", lambda: client.get(keys.worker(parent)) != seen)


@pytest.fixture
def queue(server: RedisServer) -> Iterator[JobQueue]:
    """A job with one batch of one file that is not an image."""
    card = packaged.card()
    record = JobRecord(
        JOB, card.name, card.version, packaged.card_sha256(), "litert", 1, "out.csv", "here", 0.0
    )
    app = make_app(server.url, "test")
    queue = JobQueue(connect(server.url, "test"), app, record, Settings())
    queue.touch(PublishedProgress(JobCounts(1)))
    queue.offer([(0, encode_images([b"not an image"]))])
    yield queue
    queue.client.close()
    app.close()


@pytest.fixture
def child(server: RedisServer) -> Iterator[ProcessState]:
    child = ProcessState(Settings(), server.url, "here:1:2")
    yield child
    child.client.close()


def test_a_claim_with_a_lost_reply_is_released(
    queue: JobQueue, child: ProcessState, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = BatchLedger.claim

    def lost(self: BatchLedger, batch: int, owner: str) -> Any:
        claim(self, batch, owner)
        assert claims(queue.client), "the server did not grant the claim"
        raise redis.exceptions.TimeoutError("no answer")

    monkeypatch.setattr(BatchLedger, "claim", lost)
    with pytest.raises(redis.exceptions.TimeoutError):
        classify(child, JOB, 0)
    assert claims(queue.client) == []
    assert queue.survey([0]) == ("running", [BatchState.FREE])
    assert queue.trouble() == ""


def test_a_batch_with_an_unexpected_error_is_released_with_the_reason(
    queue: JobQueue, child: ProcessState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError("the runtime gave up")

    monkeypatch.setattr("worker.classify.classify_batch.top_k", fails)
    with pytest.raises(RuntimeError):
        classify(child, JOB, 0)
    assert claims(queue.client) == []
    assert queue.trouble() == "the runtime gave up"
    monkeypatch.undo()
    expected = (os.getpid(), 1, {"unsupported": 1}, ["fashion-mnist@0"])
    assert classify(child, JOB, 0) == expected
    assert queue.survey([0]) == ("running", [BatchState.DONE])


def thread_of(server: RedisServer, parent_id: str, pool: object, hints_to: str) -> HeartbeatThread:
    """The heartbeat thread of a worker with this pool, whose hints go to another server."""
    settings = msgspec.structs.replace(Settings.from_env(), heartbeat_s=0.1, heartbeat_ttl_s=2.0)
    parent = SimpleNamespace(pool=SimpleNamespace(_pool=pool), app=make_app(hints_to, "test"))
    client = connect(server.url, "heartbeat")
    thread = HeartbeatThread(settings, client, parent_id, keys.CLASSIFY_QUEUE, parent)
    thread.start()
    return thread


def test_the_heartbeat_thread_survives_a_refused_hint(queue: JobQueue, server: RedisServer) -> None:
    parent = "here:1:2"
    thread = thread_of(server, parent, None, "redis://127.0.0.1:1")
    BatchLedger(queue.client, JOB, 60.0).claim(0, f"{parent}/77:5")
    thread.died(Death(JOB, 0, 77, keys.CLASSIFY_QUEUE))
    wait_for("the death", lambda: not claims(queue.client))
    wait_for_next_beat(queue.client, parent)
    assert thread.is_alive()
    thread.stop()


def test_a_dead_childs_batch_is_not_free_before_the_death_is_counted(
    queue: JobQueue, server: RedisServer
) -> None:
    """Heartbeats continue between its removal from the pool and the report of its death."""
    parent = "here:1:2"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        hint = SimpleNamespace(_write_to=child)
        processes = SimpleNamespace(_pool=[child, SimpleNamespace(pid=1)], _cache={1: hint})
        thread = thread_of(server, parent, processes, server.url)
        thread.forked(child.pid)
        BatchLedger(queue.client, JOB, 60.0).claim(0, f"{parent}/{child_id(child.pid)}")
        child.kill()
    processes._pool.pop(0)
    for _ in range(3):
        wait_for_next_beat(queue.client, parent)
        assert queue.survey([0]) == ("running", [BatchState.HELD])
    assert queue.client.llen(keys.CLASSIFY_QUEUE) == 1
    processes._cache.clear()
    thread.died(Death(JOB, 0, child.pid, keys.CLASSIFY_QUEUE))
    wait_for("a further hint", lambda: queue.client.llen(keys.CLASSIFY_QUEUE) == 2)
    assert queue.client.hgetall(keys.job(JOB, "deaths")) == {b"0": b"1"}
    assert queue.survey([0]) == ("running", [BatchState.FREE])
    wait_for_next_beat(queue.client, parent)
    (beat,) = heartbeats.alive(queue.client)
    assert beat.children == [child_id(1)]
    thread.stop()
