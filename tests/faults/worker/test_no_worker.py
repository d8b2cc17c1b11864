"""No worker is alive: the producer logs the command that starts one, and continues."""

from __future__ import annotations

import time

import pytest

from producer.journal.snapshot import JobState
from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.claims import job_keys
from tests.support.jobs.scenario import Scenario

IMAGES = 640
NO_WORKER = "no worker is alive; start one with: HANGTAG_REDIS_URL="
#: Both need seconds at most: the producer polls the ledger once a second.
SOON_S = 15.0
DEAD_S = 5.0


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("some"), IMAGES)


def test_all_workers_die_in_the_middle_and_the_next_one_finishes_the_job(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    stage.catch(producer, worker)
    worker.kill()
    producer.wait_for_log(NO_WORKER)
    assert "hangtag worker" in producer.log
    time.sleep(DEAD_S)
    stage.check_outstanding(producer)
    assert producer.log.count(NO_WORKER) == 1  # once, not once a second
    successor = stage.fleet.worker()
    stage.check_finished(producer)
    stage.check_nothing_runs(successor)


def test_a_job_that_waits_for_a_worker_can_be_cancelled(stage: Scenario) -> None:
    producer = stage.classify()
    producer.wait_for_log(NO_WORKER)
    cancel = stage.hangtag("cancel", str(stage.output))
    started = time.monotonic()
    assert cancel.wait() == Exit.OK, cancel.story
    assert producer.wait(SOON_S) == Exit.CANCELLED, producer.story
    assert time.monotonic() - started < SOON_S
    assert "cancelled; resume it with: hangtag classify -o" in producer.log
    assert job_keys(stage.fleet.client) == []
    assert producer.view is not None
    assert producer.view.state is JobState.CANCELLED
    worker = stage.fleet.worker()
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)
