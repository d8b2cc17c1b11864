"""A whole worker is killed while its children work: parent and children are gone at once."""

from __future__ import annotations

import random
import re
from pathlib import Path

from tests.support.images.gallery import Gallery
from tests.support.jobs.claims import wait_until_taken_over
from tests.support.jobs.recovery_times import WORKER_DEAD_WITHIN_S, WORKER_KILLED_REAL
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import BATCH_IMAGES, Fleet
from tests.support.servers.redis_server import RedisServer

#: Most of what is seen is the time that a heartbeat lives, which no load makes longer.
REAL_WITHIN_S = 20.0


def test_another_worker_takes_over_from_a_killed_one(stage: Scenario) -> None:
    mortal, other = stage.fleet.worker(), stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    victim = stage.catch(producer, mortal)
    mortal.kill()
    seconds = wait_until_taken_over(stage.fleet.client, victim, WORKER_DEAD_WITHIN_S)
    print(f"taken over after {seconds:.1f} s")
    stage.check_finished(producer)
    stage.check_nothing_runs(other)


def test_a_new_worker_takes_over_from_the_only_one_that_was_killed(stage: Scenario) -> None:
    mortal = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    stage.catch(producer, mortal)
    mortal.kill()
    producer.wait_for_log("no worker is alive; start one with: ")
    stage.check_outstanding(producer)
    new = stage.fleet.worker()
    stage.check_finished(producer)
    stage.check_nothing_runs(new)


def test_with_the_real_times_a_killed_worker_is_made_good_within_20_s(
    server: RedisServer, pictures: Gallery, tmp_path: Path, chance: random.Random
) -> None:
    with Fleet(server) as fleet:
        stage = Scenario(fleet, pictures, tmp_path, chance)
        mortal, other = fleet.worker(), fleet.worker()
        producer = stage.classify()
        stage.reach_the_middle(producer)
        victim = stage.catch(producer, mortal)
        mortal.kill()
        seconds = wait_until_taken_over(fleet.client, victim, REAL_WITHIN_S)
        print(f"taken over after {seconds:.1f} s, seen {WORKER_KILLED_REAL.seconds}")
        stage.check_finished(producer)
        stage.check_nothing_runs(other)


def test_a_worker_that_is_told_to_end_finishes_what_it_has_in_hand(stage: Scenario) -> None:
    ending, other = stage.fleet.worker(), stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    victim = stage.catch(producer, ending)
    stage.let_go(victim)
    assert ending.end() == 0, ending.story
    stage.check_finished(producer)
    answers = re.findall(rf"\(\d+, {BATCH_IMAGES}, {{", ending.log + other.log)
    full_batches = len(stage.gallery.paths) // BATCH_IMAGES
    assert len(answers) == full_batches, "a batch was done twice"
    stage.check_nothing_runs(other)
