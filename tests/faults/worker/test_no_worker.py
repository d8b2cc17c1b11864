"""No worker is alive: the producer logs the command that starts one, and continues."""

from __future__ import annotations

import time

import pytest

from shared import keys
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.scenario import Scenario

IMAGES = 640
NO_WORKER = "no worker is alive; start one with: HANGTAG_REDIS_URL="
LONG = [pytest.mark.minutes, pytest.mark.nightly, pytest.mark.timeout(1_500)]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("some"), IMAGES)


@pytest.mark.parametrize("dead_s", [5.0, pytest.param(600.0, marks=LONG)])
def test_all_workers_die_in_the_middle_and_the_next_one_finishes_the_job(
    stage: Scenario, dead_s: float
) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    stage.catch(producer, worker)
    worker.kill()
    producer.wait_for_log(NO_WORKER)
    assert "hangtag worker" in producer.log
    time.sleep(dead_s)
    stage.check_outstanding(producer)
    client, view = stage.fleet.client, producer.view
    assert view is not None
    hints = client.llen(keys.CLASSIFY_QUEUE)
    assert 0 < hints <= client.hlen(keys.job(view.job, "payload")), "repeated hints pile up"
    assert producer.log.count(NO_WORKER) == 1  # once, not once a second
    successor = stage.fleet.worker()
    stage.check_finished(producer)
    stage.check_nothing_runs(successor)
