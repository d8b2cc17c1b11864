"""Redis loses data, drops its connections or evicts keys, in the middle of a job."""

from __future__ import annotations

import time

import pytest

from shared import keys
from tests.support.jobs.claims import job_keys
from tests.support.jobs.recovery_times import LAST_WRITES_LOST
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import wait_for
from tests.support.processes.stopwatch import Stopwatch

RESETS = 15
RESET_EVERY_S = 0.2


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
