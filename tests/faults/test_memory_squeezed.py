"""Redis is nearly full, then full: the producer pauses and says so, and nobody dies."""

from __future__ import annotations

import time

from producer.peek import JobView
from shared import keys
from tests.fleet import Producer, wait_for
from tests.stage import Stage

#: Above the share at which nothing more is published, and short of refusing writes.
NEARLY = 0.8
QUIET_S = 3.0
FULL_S = 3.0


def test_memory_that_is_squeezed_in_steps_pauses_the_job_and_ends_nobody(stage: Stage) -> None:
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


def test_memory_that_is_full_at_the_start_is_waited_for(stage: Stage) -> None:
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


def _used(stage: Stage) -> int:
    return int(stage.fleet.client.info("memory")["used_memory"])


def _idle(producer: Producer) -> JobView | None:
    view = producer.view
    return view if view is not None and view.done == view.images else None
