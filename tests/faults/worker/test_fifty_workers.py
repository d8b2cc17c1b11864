"""Fifty workers, some of which are killed, write the same table as one worker."""

from __future__ import annotations

import pytest

from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.long_job import Recorder
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import wait_for

WORKERS = 50
APP = "tests.faults.apps.sleeping_worker"
#: Fifteen messages per worker.
IMAGES = 12_000
KILLED = 10

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def images(model: None, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


@pytest.mark.timeout(900)
def test_fifty_workers_write_the_table_of_one(stage: Scenario) -> None:
    """A worker is a parent with one child; each completes batches of the job."""
    recorder = Recorder(stage.fleet.client)
    workers = [stage.fleet.worker(1, APP, ready=False) for _ in range(WORKERS)]
    for worker in workers:
        stage.fleet.wait_ready(worker)
    producer = stage.classify()
    wait_for("a batch of each", lambda: len(finishers(recorder)) == WORKERS)
    stage.check_outstanding(producer)
    for worker in workers[:KILLED]:
        worker.kill()
    stage.check_finished(producer)
    stage.check_nothing_runs(*workers[KILLED:])


def finishers(recorder: Recorder) -> set[str]:
    """The processes that have submitted a result."""
    return {child for work in recorder.work().values() for child in work.completed}
