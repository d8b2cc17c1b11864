"""Workers reconnect soon after a long outage of the server."""

from __future__ import annotations

import time

from shared import keys
from shared.broker.celery_app import make_app
from shared.broker.message_filter import CLASSIFY_TASK
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet, wait_for

#: Celery itself would retry after 2, 6, 12 and 20 s, so 7 s after this outage.
DOWN_S = 13.0
BACK_WITHIN_S = 6.0
READ_ONLY_S = 5.0
UNREAPED_APP = "tests.faults.apps.unreaped_worker"


def test_a_worker_takes_hints_within_seconds_of_the_servers_return(fleet: Fleet) -> None:
    worker = fleet.worker(1)
    children = worker.children
    fleet.server.kill()
    worker.wait_for_log("does not answer")
    time.sleep(DOWN_S)
    fleet.server.start()
    back = time.monotonic()
    app = make_app(fleet.server.url, "test")
    app.send_task(CLASSIFY_TASK, args=("abcdefgh", 0), queue=keys.CLASSIFY_QUEUE)
    app.close()
    wait_for("an empty queue", lambda: not fleet.client.llen(keys.CLASSIFY_QUEUE), poll_s=0.05)
    print(f"back after {time.monotonic() - back:.1f} s")
    assert time.monotonic() - back < BACK_WITHIN_S
    fleet.wait_ready(worker)
    worker.wait_for_log("Redis is back after")
    assert worker.log.count("does not answer") == 1, worker.story
    assert worker.children == children


def test_a_child_that_dies_before_the_first_connection_does_not_end_its_worker(
    stage: Scenario,
) -> None:
    fleet = stage.fleet
    fleet.server.kill()
    worker = fleet.worker(ready=False)
    worker.wait_for_log("does not answer")
    wait_for("the children", lambda: len(worker.children) == worker.concurrency)
    procfs.kill(worker.children[0])
    fleet.server.start()
    fleet.wait_ready(worker)
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)


def test_a_connection_that_breaks_before_a_dead_child_is_reaped_does_not_end_its_worker(
    stage: Scenario,
) -> None:
    worker = stage.fleet.worker(app=UNREAPED_APP)
    children = worker.children
    procfs.kill(children[0])
    worker.wait_for_log(f"the sentinel of {children[0]} is closed")
    stage.fleet.client.client_kill_filter(_type="normal", skipme=True)
    wait_for("a new child", lambda: set(worker.children) - set(children))
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)


def test_a_worker_waits_between_attempts_while_the_server_is_read_only(stage: Scenario) -> None:
    """A failover can turn the worker's server into a replica."""
    fleet = stage.fleet
    worker = fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    children = worker.children
    fleet.client.replicaof("127.0.0.1", "1")
    worker.wait_for_log("ReadOnlyError")
    time.sleep(READ_ONLY_S)
    fleet.client.replicaof("NO", "ONE")
    back = time.monotonic()
    stage.check_finished(producer)
    print(f"finished after {time.monotonic() - back:.1f} s")
    attempts = worker.log.count("Connection to broker lost")
    assert 1 <= attempts <= 2 + READ_ONLY_S / 0.5, worker.story
    assert "Frequent restarts" not in worker.log
    assert worker.children == children
    stage.check_nothing_runs(worker)
