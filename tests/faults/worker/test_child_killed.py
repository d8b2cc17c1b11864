"""A process of a worker's pool is killed while it works."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.faults.apps.slow_worker import READY_AFTER_S
from tests.support.images.gallery import Gallery
from tests.support.jobs.claims import Held, wait_until_taken_over
from tests.support.jobs.long_job import Recorder
from tests.support.jobs.recovery_times import CHILD_KILLED, CHILD_KILLED_REAL
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import SLOW_APP, Fleet, wait_for
from tests.support.processes.stopwatch import Stopwatch
from tests.support.servers.redis_server import RedisServer

#: Upper bound for the runs of a killed child's batch, including the interrupted one.
RUNS = 3
IMPORTING_APP = "tests.faults.apps.importing_worker"
#: The import of tests/faults/apps/slow_module.py.
IMPORT_S = 1.5


def check_taken_over(stage: Scenario, victim: Held, more_s: float = 0.0) -> None:
    """By a hint of the parent, in the documented time and `more_s`."""
    within_s = CHILD_KILLED.within_s + more_s
    CHILD_KILLED.check(wait_until_taken_over(stage.fleet.client, victim, within_s) - more_s)


def test_a_child_that_starts_slowly_is_not_killed(stage: Scenario) -> None:
    """Celery's default would kill each successor before it is ready, in an endless loop."""
    worker = stage.fleet.worker(concurrency=1, app=SLOW_APP)
    producer = stage.classify_without_repeats()
    producer.wait_until_done(1)
    victim = stage.catch(producer, worker)
    start_s, killed = time.monotonic(), Stopwatch()
    procfs.kill(victim.child)
    successor = wait_for("a successor", lambda: set(worker.children) - {victim.child})
    claim = stage.catch(producer, worker)  # only the successor can have a new one
    CHILD_KILLED.check(killed.seconds - READY_AFTER_S)
    stage.let_go(claim)
    assert time.monotonic() - start_s > READY_AFTER_S - 0.5
    stage.check_finished(producer)
    assert set(worker.children) == successor
    stage.check_nothing_runs(worker)


def test_a_child_is_not_forked_during_an_import(stage: Scenario) -> None:
    worker = stage.fleet.worker(2, IMPORTING_APP)
    producer = stage.classify_without_repeats()
    victim = stage.catch_all(producer, worker)
    for child in worker.children:
        procfs.kill(child)
    check_taken_over(stage, victim, IMPORT_S)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def test_with_the_default_settings_a_killed_childs_batch_is_taken_over_in_time(
    server: RedisServer, images: Gallery, tmp_path: Path, chance: random.Random
) -> None:
    with Fleet(server) as fleet:
        stage = Scenario(fleet, images, tmp_path, chance)
        recorder = Recorder(fleet.client)
        worker = fleet.worker()
        producer = stage.classify_without_repeats()
        stage.reach_the_middle(producer)
        victim = stage.catch(producer, worker)
        procfs.kill(victim.child)
        within_s = CHILD_KILLED_REAL.within_s
        CHILD_KILLED_REAL.check(wait_until_taken_over(fleet.client, victim, within_s))
        stage.check_finished(producer)
        check_runs(recorder, victim)
        stage.check_nothing_runs(worker)


def check_runs(recorder: Recorder, killed: Held) -> None:
    """Every child that finishes the batch submits its result; the killed child never did."""
    results = recorder.work()[killed.batch].completed
    print(f"the killed batch was run {1 + len(results)} times")
    assert 1 <= len(results) < RUNS
