"""A whole worker is killed while its children work: parent and children are gone at once."""

from __future__ import annotations

import os
import random
import re
import signal
from pathlib import Path

from tests.support.images.gallery import Gallery
from tests.support.jobs.claims import wait_until_taken_over
from tests.support.jobs.recovery_times import WORKER_KILLED_REAL
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import BATCH_IMAGES, Fleet, wait_for
from tests.support.servers.redis_server import RedisServer

#: Most of the measured time is the TTL of a heartbeat, which does not depend on the load.
REAL_WITHIN_S = 20.0


def test_with_the_default_settings_a_killed_worker_is_replaced_within_20_s(
    server: RedisServer, images: Gallery, tmp_path: Path, chance: random.Random
) -> None:
    with Fleet(server) as fleet:
        stage = Scenario(fleet, images, tmp_path, chance)
        victim, other = fleet.worker(), fleet.worker()
        producer = stage.classify_without_repeats()
        stage.reach_the_middle(producer)
        held = stage.catch(producer, victim)
        victim.kill()
        seconds = wait_until_taken_over(fleet.client, held, REAL_WITHIN_S)
        print(f"taken over after {seconds:.1f} s, measured {WORKER_KILLED_REAL.seconds}")
        stage.allow_repeats()
        stage.check_finished(producer)
        stage.check_nothing_runs(other)


def test_a_stopped_worker_finishes_its_work_in_progress(stage: Scenario) -> None:
    stopping, other = stage.fleet.worker(), stage.fleet.worker()
    producer = stage.classify_without_repeats()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, stopping)
    stage.let_go(held)
    assert stopping.end() == 0, stopping.story
    stage.check_finished(producer)
    results = re.findall(rf"\(\d+, {BATCH_IMAGES}, {{", stopping.log + other.log)
    full_batches = len(stage.gallery.paths) // BATCH_IMAGES
    assert len(results) == full_batches, "a batch was done twice"
    stage.check_nothing_runs(other)


def test_processes_that_start_while_their_worker_is_killed_end(fleet: Fleet) -> None:
    """Each has the other ends of its siblings' pipes, so none of them would read their end."""
    worker = fleet.worker(3, app="tests.faults.apps.late_death_signal", ready=False)
    wait_for("its processes", lambda: len(procfs.children(worker.pid)) == 3)
    children = procfs.children(worker.pid)
    os.kill(worker.pid, signal.SIGKILL)
    procfs.wait_for_end([worker.pid, *children])
