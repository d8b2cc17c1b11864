"""A worker is suspended for longer than its heartbeat's TTL, and then resumed."""

from __future__ import annotations

import math
import time

from billiard.pool import GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL as INTERVAL_S
from billiard.pool import GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT as LIMIT

from shared import keys
from shared.ledger import heartbeats
from shared.ledger.heartbeats import Heartbeat
from tests.nemesis.results import Results
from tests.support.jobs.claims import wait_until_taken_over
from tests.support.jobs.recovery_times import WORKER_DEAD_WITHIN_S
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import BATCH_IMAGES, Fleet, wait_for

COUNTING_APP = "tests.faults.apps.counting_worker"
DEAF_APP = "tests.faults.apps.deaf_worker"


def test_the_late_result_of_a_suspended_worker_changes_nothing(stage: Scenario) -> None:
    """The nemesis counts the late result."""
    results = Results(stage.folder / "results")
    suspended, other = (
        stage.fleet.worker(2, COUNTING_APP, ready=True, **results.settings) for _ in range(2)
    )
    producer = stage.classify_without_repeats()
    stage.reach_the_middle(producer)
    victim = stage.catch(producer, suspended)
    while suspended.log.count(" is loaded") < suspended.concurrency:
        stage.let_go(victim)  # a child that is still loading submits no late result
        time.sleep(0.05)
        victim = stage.catch(producer, suspended)
    held = stage.catch_unfinished(producer, other)  # the job stays open for the late result
    suspended.sleep()
    wait_until_taken_over(stage.fleet.client, victim, WORKER_DEAD_WITHIN_S)
    stage.allow_repeats()
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


def test_a_child_that_works_is_not_idle_before_its_parent_has_read_that(stage: Scenario) -> None:
    """The claim of a child that is listed as idle ends after a while: another would repeat it."""
    heard = stage.folder / "heard"
    worker = stage.fleet.worker(1, DEAF_APP, HANGTAG_TEST_HEARD=str(heard))
    producer = stage.classify()
    stage.catch(producer, worker)
    beats = {beat.at_ms: beat for _ in range(3) for beat in [next_beat(stage.fleet, worker.pid)]}
    assert len(beats) == 3
    assert [beat.idle for beat in beats.values()] == [[], [], []]
    worker.wake()
    heard.touch()
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def test_a_worker_ends_soon_although_it_has_not_read_that_a_child_accepted_a_hint(
    stage: Scenario,
) -> None:
    """Celery forgets such a hint when it closes its consumer, and would read no result of it: the
    child waits for that before it ends."""
    worker = stage.fleet.worker(1, DEAF_APP, HANGTAG_TEST_HEARD=str(stage.folder / "heard"))
    producer = stage.classify()
    producer.wait_until_done(1)
    start_s = time.monotonic()
    assert worker.end() == 0, worker.story
    assert time.monotonic() - start_s < LIMIT * INTERVAL_S
    stage.fleet.worker(1)
    stage.check_finished(producer)


def next_beat(fleet: Fleet, pid: int) -> Heartbeat:
    def now() -> Heartbeat | None:
        return next((one for one in heartbeats.alive(fleet.client) if one.pid == pid), None)

    before = now()
    return wait_for("a heartbeat", lambda: None if (one := now()) == before else one)
