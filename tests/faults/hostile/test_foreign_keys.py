"""A queue that another client has made with another type, before a job."""

from __future__ import annotations

from shared import keys
from tests.support.jobs.scenario import Scenario


def test_a_job_runs_although_its_queue_has_another_type(stage: Scenario) -> None:
    stage.fleet.client.set(keys.CLASSIFY_QUEUE, "x")
    worker = stage.fleet.worker(1)
    stage.check_finished(stage.classify())
    assert worker.log.count("WRONGTYPE") == 0, worker.story
    stage.check_nothing_runs(worker)
