"""Keys of Celery's transport that another client has made with another type, before a job."""

from __future__ import annotations

from shared import keys
from tests.support.jobs.scenario import Scenario


def test_a_job_runs_although_every_key_of_the_transport_has_another_type(stage: Scenario) -> None:
    names = [
        keys.CLASSIFY_QUEUE,
        *(
            f"{keys.PREFIX}binding:{kind}{queue}"
            for kind in ("", "permanent:")
            for queue in (keys.CLASSIFY_QUEUE, keys.TRAIN_QUEUE)
        ),
    ]
    for name in names:
        stage.fleet.client.set(name, "x")
    worker = stage.fleet.worker(1)
    stage.check_finished(stage.classify())
    assert worker.log.count("WRONGTYPE") == 0, worker.story
    stage.check_nothing_runs(worker)
