"""A job is cancelled in the middle, and run again."""

from __future__ import annotations

import msgspec

from producer.peek import JobView, State
from shared.exits import Exit
from tests.claims import job_keys
from tests.stage import Stage


def test_a_cancelled_job_keeps_its_rows_and_the_same_command_finishes_it(stage: Stage) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    cancel = stage.hangtag("cancel", str(stage.output))
    assert cancel.wait() == Exit.OK, cancel.story
    assert producer.wait() == Exit.CANCELLED, producer.story
    assert job_keys(stage.fleet.client) == []
    stage.let_go(held)  # its result belongs to a job that Redis does not know any more
    kept = producer.view
    assert kept is not None
    assert kept.state is State.CANCELLED
    assert kept.done > 0
    again = stage.classify()
    stage.check_finished(again)
    assert again.view is not None
    assert again.view.job == kept.job
    stage.check_nothing_runs(worker)


def test_a_paused_job_can_be_cancelled_without_any_worker(stage: Stage) -> None:
    producer = stage.classify("--timeout", "1")
    assert producer.wait() == Exit.INTERRUPTED
    cancel = stage.hangtag("cancel", str(stage.output))
    assert cancel.wait() == Exit.OK, cancel.story
    status = stage.hangtag("status", str(stage.output), "--json")
    assert msgspec.json.decode(status.out, type=JobView).state is State.CANCELLED
    worker = stage.fleet.worker()
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)
