"""A process of a worker's pool is killed while it works."""

from __future__ import annotations

import random
from pathlib import Path

from tests import proc
from tests.claims import wait_until_taken_over
from tests.fleet import Fleet
from tests.gallery import Gallery
from tests.server import RedisServer
from tests.stage import Stage

RECOVERED_WITHIN_S = 20.0


def test_a_killed_child_costs_no_row(stage: Stage) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    victim = stage.catch(producer, worker)
    proc.kill(victim.child)
    wait_until_taken_over(stage.fleet.client, victim, RECOVERED_WITHIN_S)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def test_a_worker_whose_only_child_is_killed_makes_a_new_one(stage: Stage) -> None:
    worker = stage.fleet.worker(concurrency=1)
    producer = stage.classify()
    stage.reach_the_middle(producer)
    victim = stage.catch(producer, worker)
    proc.kill(victim.child)
    stage.check_finished(producer)
    assert victim.child not in worker.children
    stage.check_nothing_runs(worker)


def test_all_children_killed_at_once_cost_no_row(stage: Stage) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    first = stage.catch(producer, worker)
    for child in worker.children:
        proc.kill(child)
    wait_until_taken_over(stage.fleet.client, first, RECOVERED_WITHIN_S)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def test_with_the_real_times_a_killed_child_is_made_good_within_20_s(
    server: RedisServer, pictures: Gallery, tmp_path: Path, chance: random.Random
) -> None:
    with Fleet(server) as fleet:
        stage = Stage(fleet, pictures, tmp_path, chance)
        worker = fleet.worker()
        producer = stage.classify()
        stage.reach_the_middle(producer)
        victim = stage.catch(producer, worker)
        proc.kill(victim.child)
        seconds = wait_until_taken_over(fleet.client, victim, RECOVERED_WITHIN_S)
        print(f"taken over after {seconds:.1f} s")
        stage.check_finished(producer)
        stage.check_nothing_runs(worker)
