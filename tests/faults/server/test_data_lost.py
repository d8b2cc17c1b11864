"""Redis is killed, emptied, suspended or full, or drops its connections, in the middle of a job."""

from __future__ import annotations

import time

import pytest

from shared import keys
from tests.support.jobs.claims import job_keys
from tests.support.jobs.recovery_times import LAST_WRITES_LOST
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import BATCH_IMAGES, wait_for
from tests.support.processes.stopwatch import Stopwatch

DOWN_S = 4.0
FROZEN_S = 3.0
RESETS = 15
RESET_EVERY_S = 0.2


def test_a_server_that_comes_back_empty_costs_no_row(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    stage.fleet.server.restart()
    stage.let_go(held)  # it submits a result of a job that the server has lost
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("resubmitted", [False, True], ids=["at once", "job is back"])
def test_a_server_emptied_while_it_runs_costs_no_row(stage: Scenario, resubmitted: bool) -> None:
    """The late result belongs to a lost job, or to a job that the producer has submitted again."""
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    stage.fleet.client.flushall()
    if resubmitted:
        record = keys.job(held.job, "record")
        wait_for("the job", lambda: stage.fleet.client.exists(record))
    stage.check_outstanding(producer)
    stage.let_go(held)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def test_an_outage_of_seconds_is_retried(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    stage.fleet.server.kill()
    stage.let_go(held)
    producer.wait_for_log("Redis has been unreachable since")
    time.sleep(DOWN_S)
    assert producer.running, producer.story
    assert worker.running, worker.story
    stage.fleet.server.start()
    stage.check_finished(producer)
    assert "Redis is back" in producer.log
    stage.check_nothing_runs(worker)


def test_a_server_that_lost_its_last_second_costs_no_row(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    earlier = stage.fleet.server.snapshot()
    view = producer.view
    assert view is not None
    producer.wait_until_done(view.done + 10 * BATCH_IMAGES)
    held = stage.catch(producer, worker)
    stage.fleet.server.restart(earlier)
    stage.let_go(held)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def test_a_result_among_the_servers_last_writes_is_computed_again_soon(stage: Scenario) -> None:
    """Its worker lives and is idle: the claim in the server's older data expires soon."""
    worker, server = stage.fleet.worker(), stage.fleet.server
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    procfs.stop(producer.pid)  # it must not read the result
    earlier = server.snapshot()
    stage.let_go(held)
    done = keys.job(held.job, "done")
    wait_for("the result", lambda: server.client.getbit(done, held.batch))
    server.restart(earlier)
    procfs.go_on(producer.pid)
    started = Stopwatch()
    stage.check_finished(producer)
    LAST_WRITES_LOST.check(started.seconds)
    stage.check_nothing_runs(worker)


def test_a_server_frozen_for_seconds_is_retried(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    stage.fleet.server.freeze()
    stage.let_go(held)
    time.sleep(FROZEN_S)
    stage.check_outstanding(producer)
    stage.fleet.server.thaw()
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def test_repeated_resets_of_all_connections_cost_no_row(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    assert reset(stage) >= 3, "producer, worker and child have a connection each"
    stage.let_go(held)
    during = [reset(stage) for _ in range(RESETS) if producer.running]
    print("connections that were reset each time:", during)
    assert sum(n > 0 for n in during) >= RESETS // 3, "the job was over too soon"
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def test_a_full_server_pauses_the_job_and_ends_no_process(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    stage.fleet.server.limit_memory(1 << 20)  # less than it uses: every write is refused
    stage.let_go(held)
    producer.wait_for_log("full")
    stage.check_outstanding(producer)
    assert worker.running, worker.story
    stage.fleet.server.limit_memory(0)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def test_a_server_that_evicts_keys_is_refused_with_the_fix(stage: Scenario) -> None:
    stage.fleet.client.config_set("maxmemory-policy", "allkeys-lru")
    producer = stage.classify()
    assert producer.wait() == 1
    assert "set it to noeviction" in producer.log
    assert job_keys(stage.fleet.client) == []


def reset(stage: Scenario) -> int:
    """Drop every connection but the test's own, wait a moment, and return the number dropped."""
    dropped = stage.fleet.client.client_kill_filter(_type="normal", skipme=True)
    time.sleep(RESET_EVERY_S)
    return int(dropped)
