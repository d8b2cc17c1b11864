"""A job is cancelled in the middle, and run again."""

from __future__ import annotations

import msgspec
import redis

from producer.job.snapshot import JobState, JobView
from shared.errors import Exit
from tests.support.jobs.claims import job_keys
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer


def test_a_cancelled_job_keeps_its_rows_and_the_same_command_finishes_it(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    cancel = stage.hangtag("cancel", str(stage.output))
    assert cancel.wait() == Exit.OK, cancel.story
    assert producer.wait() == Exit.CANCELLED, producer.story
    assert job_keys(stage.fleet.client) == []
    stage.let_go(held)  # its result belongs to a job that is no longer in Redis
    cancelled = producer.view
    assert cancelled is not None
    assert cancelled.state is JobState.CANCELLED
    assert cancelled.done > 0
    again = stage.classify()
    stage.check_finished(again)
    assert again.view is not None
    assert again.view.job == cancelled.job
    stage.check_nothing_runs(worker)


def test_a_paused_job_can_be_cancelled_without_any_worker(stage: Scenario) -> None:
    producer = stage.classify("--timeout", "1")
    assert producer.wait() == Exit.INTERRUPTED
    cancel = stage.hangtag("cancel", str(stage.output))
    assert cancel.wait() == Exit.OK, cancel.story
    status = stage.hangtag("status", str(stage.output), "--json")
    assert msgspec.json.decode(status.out, type=JobView).state is JobState.CANCELLED
    worker = stage.fleet.worker()
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)


def test_a_job_that_redis_has_lost_is_cancelled_once_it_is_submitted_again(
    stage: Scenario,
) -> None:
    producer = stage.classify()
    producer.wait_until_sent()
    client = stage.fleet.client
    procfs.stop(producer.pid)
    client.flushall()
    client.config_resetstat()
    cancel = stage.fleet.producer("cancel", str(stage.output), cwd=stage.gallery.cwd)
    wait_for("its first attempt", lambda: _scripts_run(client))
    procfs.go_on(producer.pid)
    assert cancel.wait() == Exit.OK, cancel.story
    assert producer.wait() == Exit.CANCELLED, producer.story
    worker = stage.fleet.worker()
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)


def test_cancel_with_another_redis_cancels_nothing_and_reports_it(
    stage: Scenario,
) -> None:
    producer = stage.classify()
    producer.wait_until_sent()
    with RedisServer(stage.fleet.server.binary) as another:
        refused = stage.fleet.producer(
            "cancel", str(stage.output), cwd=stage.gallery.cwd, HANGTAG_REDIS_URL=another.url
        )
        assert refused.wait() == Exit.SETUP, refused.story
    (line,) = refused.log.splitlines()
    assert another.url in line
    assert "HANGTAG_REDIS_URL or HANGTAG_STORE that it was started with" in line
    worker = stage.fleet.worker()
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def _scripts_run(client: redis.Redis) -> list[str]:
    """The script commands that the server has run since the reset of its statistics."""
    return [name for name in client.info("commandstats") if name.startswith("cmdstat_eval")]
