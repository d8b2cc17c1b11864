"""A model version that crashes each process that loads it stops the job with Exit.SETUP.

Where other workers can load it, they finish the job.
"""

from __future__ import annotations

from shared import keys
from shared.errors import Exit
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import DEADLY_APP, wait_for

#: The number of deaths that stops a job (shared/ledger/lua/batch/prelude.lua).
DEATHS = 3


def test_the_job_stops_after_few_deaths_and_is_intact(stage: Scenario) -> None:
    worker = stage.fleet.worker(2, app=DEADLY_APP)
    producer = stage.classify()
    assert producer.wait() == Exit.SETUP, producer.story
    errors = [line for line in producer.log.splitlines() if line.startswith("hangtag: ")]
    assert len(errors) == 1
    assert "fashion-mnist@0" in errors[0]
    # Leftover hints do no harm while no producer runs.
    wait_for("an empty queue", lambda: not stage.fleet.client.llen(keys.CLASSIFY_QUEUE))
    stage.fleet.wait_ready(worker)
    assert worker.end() == 0, worker.story
    deaths = worker.log.count("died with batch")
    assert DEATHS <= deaths <= DEATHS + 1, worker.story
    healthy = stage.fleet.worker()
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(healthy)


def test_a_machine_that_cannot_load_the_model_leaves_the_job_to_others(stage: Scenario) -> None:
    bad = stage.fleet.worker(4, app=DEADLY_APP)
    healthy = stage.fleet.worker(1)
    stage.check_finished(stage.classify())
    deaths = bad.log.count("died with batch")
    assert 0 < deaths <= DEATHS + 3, bad.story
    stage.check_nothing_runs(bad, healthy)


def test_the_job_stops_once_only_such_machines_are_left(stage: Scenario) -> None:
    bad = stage.fleet.worker(2, app=DEADLY_APP)
    healthy = stage.fleet.worker(1)
    producer = stage.classify()
    stage.reach_the_middle(producer)
    wait_for("the deaths", lambda: bad.log.count("died with batch") >= DEATHS)
    assert healthy.end() == 0, healthy.story
    assert producer.wait() == Exit.SETUP, producer.story
    stage.check_nothing_runs(bad)
