"""A live child that does not work on its batch must not block the batch for others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from kombu.exceptions import OperationalError

from producer.job.totals import JobCounts
from producer.run.job_queue import JobQueue, PublishedProgress
from shared import keys
from shared.broker.celery_app import make_app
from shared.broker.redis_client import connect
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
from worker.lifecycle.child_records import WorkerStats
from worker.lifecycle.heartbeat_thread import HeartbeatThread

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


def test_the_heartbeat_thread_survives_a_refused_hint(queue: JobQueue, server: RedisServer) -> None:
    def refused(job: str, batch: int, queue: str) -> None:
        raise OperationalError("Connection refused")

    parent, pid = "here:1:2", 77
    client = connect(server.url, "heartbeat")
    thread = HeartbeatThread(
        client, parent, keys.CLASSIFY_QUEUE, lambda: [pid], refused, 0.1, 2.0, WorkerStats()
    )
    thread.start()
    BatchLedger(queue.client, JOB, 60.0).claim(0, f"{parent}/{pid}:5")
    thread.died(JOB, 0, pid, keys.CLASSIFY_QUEUE)
    wait_for("the death", lambda: not claims(queue.client))
    wait_for_next_beat(queue.client, parent)
    assert thread.is_alive()
    thread.stop()
    client.close()


def test_a_dead_childs_batch_is_not_free_before_the_death_is_counted(
    queue: JobQueue, server: RedisServer
) -> None:
    """Heartbeats continue between its removal from the pool and the report of its death."""
    parent, client = "here:1:2", connect(server.url, "heartbeat")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        pool, hints = [child.pid], list[tuple[str, int, str]]()
        hint = lambda *given: hints.append(given)  # noqa: E731
        thread = HeartbeatThread(
            client, parent, keys.CLASSIFY_QUEUE, lambda: pool, hint, 0.1, 2.0, WorkerStats()
        )
        thread.start()
        thread.busy_processes.busy(child.pid)
        BatchLedger(queue.client, JOB, 60.0).claim(0, f"{parent}/{child_id(child.pid)}")
        child.kill()
    pool.clear()
    for _ in range(3):
        wait_for_next_beat(queue.client, parent)
        assert queue.survey([0]) == ("running", [BatchState.HELD])
    thread.died(JOB, 0, child.pid, "queue")
    wait_for("the death", lambda: hints == [(JOB, 0, "queue")])
    assert queue.client.hgetall(keys.job(JOB, "deaths")) == {b"0": b"1"}
    assert queue.survey([0]) == ("running", [BatchState.FREE])
    thread.stop()
    client.close()
