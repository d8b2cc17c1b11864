"""Redis is nearly full, then full: the producer pauses and reports it, and no process dies."""

from __future__ import annotations

import time
from pathlib import Path

import redis

from producer.job.snapshot import JobView
from shared import keys
from shared.errors import Exit
from shared.ledger import heartbeats
from shared.ledger.heartbeats import Heartbeat
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import Producer, wait_for

MEMORY_SHARE_MAX = 0.7
#: Above the share at which the producer pauses, and below the one at which Redis refuses writes.
NEARLY = 0.8
QUIET_S = 3.0
FULL_S = 3.0
MIB = 1 << 20
#: In total twice the limit of Redis, and more than PRODUCER_BYTES.
LARGE_FILES = 128
LIMIT_BYTES = 64 * MIB
#: A message of 2 MiB, stored with a quarter more.
ONE_MESSAGE_BYTES = 3 * MIB
PRODUCER_BYTES = 120 * MIB
POLLED_S = 3.0


def test_memory_limited_in_steps_pauses_the_job_and_ends_no_process(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    server = stage.fleet.server
    server.limit_memory(int(_used(stage) / NEARLY))
    producer.wait_for_log("% full; waiting for workers to make room")
    paused = wait_for("the last messages under way", lambda: _idle(producer))
    assert paused.done < len(stage.gallery.paths), "the job was finished before it was paused"
    until = time.monotonic() + QUIET_S
    while time.monotonic() < until:  # nothing new is published
        assert stage.fleet.client.hlen(keys.job(paused.job, "payload")) == 0
        assert stage.fleet.client.llen(keys.CLASSIFY_QUEUE) == 0
        time.sleep(0.05)
    assert producer.view == paused
    server.limit_memory(int(_used(stage) / 2))  # every write is refused
    producer.wait_for_log("memory is full; waiting until there is room")
    time.sleep(FULL_S)
    assert producer.running, producer.story
    assert worker.running, worker.story
    assert len(worker.children) == worker.concurrency
    server.limit_memory(int(_used(stage) / NEARLY))  # a step back: still paused
    time.sleep(1)
    assert producer.view == paused
    server.limit_memory(0)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def test_large_files_for_many_workers_fill_neither_redis_nor_the_producer(
    stage: Scenario, tmp_path: Path
) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    for number in range(LARGE_FILES):
        with (folder / f"{number:03}.png").open("wb") as file:
            file.truncate(MIB)
    client, output = stage.fleet.client, tmp_path / "large.csv"
    stage.fleet.server.limit_memory(LIMIT_BYTES)
    crowd = _many_children(client)
    producer = stage.fleet.producer("classify", "large", "-o", str(output), cwd=tmp_path)
    producer.wait_for_log("% full; waiting for workers to make room")
    most, until = 0, time.monotonic() + POLLED_S
    while time.monotonic() < until:
        most = max(most, _stored(stage))
        time.sleep(0.05)
    assert most < MEMORY_SHARE_MAX * LIMIT_BYTES + ONE_MESSAGE_BYTES, "more than one too many"
    assert "memory is full" not in producer.log
    assert _peak_bytes(producer.pid) < PRODUCER_BYTES
    heartbeats.stop(client, crowd)
    worker = stage.fleet.worker()
    assert producer.wait() == Exit.SOME_FAILED, producer.story
    assert output.read_text().count(",unsupported,") == LARGE_FILES
    stage.fleet.server.limit_memory(0)
    stage.check_nothing_runs(worker)


def test_full_memory_at_the_start_is_retried(stage: Scenario) -> None:
    server = stage.fleet.server
    server.limit_memory(int(_used(stage) / 2))
    producer = stage.classify()
    producer.wait_for_log("memory is full; waiting until there is room")
    time.sleep(1)
    assert producer.running, producer.story
    server.limit_memory(0)
    worker = stage.fleet.worker()
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def _many_children(client: redis.Redis) -> str:
    """Write a heartbeat of as many children as there are files, and return its worker's id."""
    one = Heartbeat(
        "crowd:1:1", "crowd", 1, keys.CLASSIFY_QUEUE, [f"{n}:1" for n in range(LARGE_FILES)],
        [], 0, 0.0, 0, heartbeats.server_ms(client), 0, {},
    )  # fmt: skip
    heartbeats.beat(client, one, ttl_s=600)
    return one.id


def _peak_bytes(pid: int) -> int:
    """The peak resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _used(stage: Scenario) -> int:
    return int(stage.fleet.client.info("memory")["used_memory"])


def _stored(stage: Scenario) -> int:
    """Without the buffers of clients, which hold a message while it is being sent."""
    memory = stage.fleet.client.info("memory")
    return int(memory["used_memory"]) - int(memory["mem_clients_normal"])


def _idle(producer: Producer) -> JobView | None:
    view = producer.view
    return view if view is not None and view.done == view.images else None
