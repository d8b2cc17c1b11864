"""A worker is suspended for longer than its heartbeat's TTL, and then resumed."""

from __future__ import annotations

import math
import time

from shared import keys
from tests.nemesis.results import Results
from tests.support.jobs.claims import wait_until_taken_over
from tests.support.jobs.recovery_times import WORKER_DEAD_WITHIN_S
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import BATCH_IMAGES, wait_for

COUNTING_APP = "tests.faults.apps.counting_worker"


def test_the_late_result_of_a_suspended_worker_changes_nothing(stage: Scenario) -> None:
    """The nemesis counts the late result."""
    results = Results(stage.folder / "results")
    suspended, other = (
        stage.fleet.worker(2, COUNTING_APP, ready=True, **results.settings) for _ in range(2)
    )
    producer = stage.classify()
    stage.reach_the_middle(producer)
    victim = stage.catch(producer, suspended)
    while suspended.log.count(" is loaded") < suspended.concurrency:
        stage.let_go(victim)  # a child that is still loading submits no late result
        time.sleep(0.05)
        victim = stage.catch(producer, suspended)
    held = stage.catch_unfinished(producer, other)  # the job stays open for the late result
    suspended.sleep()
    wait_until_taken_over(stage.fleet.client, victim, WORKER_DEAD_WITHIN_S)
    done = keys.job(victim.job, "done")
    wait_for("the result of the other", lambda: stage.fleet.client.getbit(done, victim.batch))
    succeeded = suspended.log.count("succeeded")
    suspended.wake()
    wait_for("the late result", lambda: suspended.log.count("succeeded") > succeeded)
    procfs.go_on(held.child)
    stage.check_finished(producer)
    stage.check_nothing_runs(suspended, other)
    batches = math.ceil(len(stage.gallery.paths) / BATCH_IMAGES)
    assert 1 <= results.late(batches) <= suspended.concurrency


def test_the_job_continues_when_its_only_worker_is_resumed(stage: Scenario) -> None:
    suspended = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    stage.catch(producer, suspended)
    suspended.sleep()
    producer.wait_for_log("no worker is alive")
    stage.check_outstanding(producer)
    suspended.wake()
    stage.check_finished(producer)
    stage.check_nothing_runs(suspended)
