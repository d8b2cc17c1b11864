"""A model version that crashes each process that loads it stops the job with Exit.SETUP."""

from __future__ import annotations

import pytest

from shared import keys
from shared.errors import Exit
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import DEADLY_APP, wait_for

#: The number of deaths that stops a job (shared/ledger/lua/batch/prelude.lua).
DEATHS = 3


@pytest.mark.parametrize("concurrency", [1, 2])
def test_the_job_stops_after_few_deaths_and_is_intact(stage: Scenario, concurrency: int) -> None:
    worker = stage.fleet.worker(concurrency, app=DEADLY_APP)
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
    assert DEATHS <= deaths <= DEATHS - 1 + concurrency, worker.story
    healthy = stage.fleet.worker()
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(healthy)


def test_the_same_command_tries_again(stage: Scenario) -> None:
    worker = stage.fleet.worker(1, app=DEADLY_APP)
    for attempt in (1, 2):
        producer = stage.classify()
        assert producer.wait() == Exit.SETUP, producer.story
        assert worker.log.count("died with batch") == attempt * DEATHS
    stage.check_nothing_runs(worker)
