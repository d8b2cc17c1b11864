"""All workers are dead for ten minutes, with the default settings."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.support.images import gallery
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import Fleet

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1_500)]
IMAGES = 640
DEAD_S = 600.0
NO_WORKER = "no worker is alive; start one with: HANGTAG_REDIS_URL="


def test_all_workers_are_dead_for_ten_minutes(fleet: Fleet, tmp_path: Path) -> None:
    stage = Scenario(fleet, gallery.make(tmp_path, IMAGES), tmp_path, random.Random(0))
    worker = fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    stage.catch(producer, worker)
    worker.kill()
    producer.wait_for_log(NO_WORKER)
    time.sleep(DEAD_S)
    stage.check_outstanding(producer)
    assert producer.log.count(NO_WORKER) == 1
    successor = fleet.worker()
    stage.check_finished(producer)
    stage.check_nothing_runs(successor)
