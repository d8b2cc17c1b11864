"""`--restart` that cannot start leaves the old job as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from producer.job.journal import journal_path
from producer.job.snapshot import read_snapshot
from producer.table.verify import verify
from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.scenario import Scenario

IMAGES = 40


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), IMAGES)


def test_a_restart_that_cannot_start_keeps_the_finished_job(
    stage: Scenario, tmp_path: Path
) -> None:
    worker = stage.fleet.worker()
    stage.check_finished(stage.classify())
    journal, old = journal_path(stage.output), read_snapshot(stage.output)
    nowhere = {"HANGTAG_REDIS_URL": f"unix://{tmp_path}/no.sock"}
    for options, settings in ((["--model", "fashion-mnist@77"], {}), ([], nowhere)):
        failed = stage.classify("--restart", *options, **settings)
        assert failed.wait() == Exit.SETUP, failed.story
        assert read_snapshot(stage.output) == old
        assert verify(stage.output, deep=True).proven
    stage.check_finished(stage.classify("--retry-failed"))
    journal.write_bytes(b"no journal" * 1000)
    failed = stage.classify("--restart", **nowhere)
    assert failed.wait() == Exit.SETUP, failed.story
    assert journal.read_bytes() == b"no journal" * 1000
    stage.check_finished(stage.classify("--restart"))
    assert verify(stage.output, deep=True).proven
    stage.check_nothing_runs(worker)


def test_a_restart_that_cannot_start_keeps_the_job_that_was_stopped(
    stage: Scenario,
) -> None:
    stopped = stage.classify("--timeout", "1.5")  # there is no worker
    assert stopped.wait() == Exit.INTERRUPTED, stopped.story
    assert stopped.view is not None
    failed = stage.classify("--restart", "--model", "fashion-mnist@77")
    assert failed.wait() == Exit.SETUP, failed.story
    worker = stage.fleet.worker()
    resumed = stage.classify()
    stage.check_finished(resumed)
    assert resumed.view is not None
    assert resumed.view.job == stopped.view.job
    stage.check_nothing_runs(worker)
