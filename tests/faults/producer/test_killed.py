"""The producer ends before its job is finished, and the same command is run again."""

from __future__ import annotations

import signal

import pytest

from shared.errors import Exit
from tests.support.jobs.claims import job_keys
from tests.support.jobs.scenario import Scenario


def test_killed_five_times_over(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    images = len(stage.gallery.paths)
    for part in range(1, 6):
        producer = stage.classify()
        held = stage.catch_unfinished(producer, worker)  # the other child continues the job
        producer.wait_until_done(int(images * part * stage.chance.uniform(0.1, 0.14)))
        stage.check_outstanding(producer)
        producer.kill()
        stage.let_go(held)
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)


def test_killed_and_resumed_with_other_workers(stage: Scenario) -> None:
    first = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    stage.catch(producer, first)
    producer.kill()
    first.kill()
    stage.fleet.server.restart()
    assert job_keys(stage.fleet.client) == []
    second = stage.fleet.worker()
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(second)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_run_again(stage: Scenario, number: signal.Signals) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    producer.signal(number)
    assert producer.wait() == Exit.INTERRUPTED, producer.story
    assert "resume it with: hangtag classify " in producer.log
    assert not stage.output.exists()
    stage.let_go(held)
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)
