"""`--retry-failed` repeats exactly the failed rows, also while processes are killed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from producer.job.snapshot import JobState
from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.broken_files import RUBBISH, mend, path_of, spoil
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import BATCH_IMAGES

IMAGES = 320
#: Broken files: every seventh, and a run that fills whole messages.
EVERY = 7
RUN = range(100, 100 + 3 * BATCH_IMAGES)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("some"), IMAGES)


@pytest.fixture
def images(drawn: Gallery, tmp_path: Path) -> Gallery:
    """Images for this test only, which breaks and repairs them."""
    shutil.copytree(drawn.cwd / FOLDER, tmp_path / FOLDER)
    return drawn._replace(cwd=tmp_path)


def test_only_failed_rows_are_repeated_and_the_others_keep_their_bytes(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    broken = _break(stage)
    first = stage.classify()
    assert first.wait() == Exit.SOME_FAILED, first.story
    before = stage.output.read_bytes().splitlines()
    mend(stage, broken)
    # A classified file is not read again: it keeps its row.
    good = next(i for i in range(IMAGES) if i not in broken)
    path_of(stage, good).write_bytes(RUBBISH)
    last = Path(stage.gallery.cwd, FOLDER, "zzz.png")  # a new file is not added
    last.write_bytes(RUBBISH)
    again = stage.classify("--retry-failed")
    stage.check_finished(again)
    assert f"{len(broken)} rows without a label" in again.log
    assert f"{IMAGES} images, 0 failed" in again.log
    after = stage.output.read_bytes().splitlines()
    changed = [
        i for i, pair in enumerate(zip(before[1:], after[1:], strict=True)) if len({*pair}) > 1
    ]
    assert changed == sorted(broken)
    assert again.view is not None
    assert first.view is not None
    assert (again.view.job, again.view.model) == (first.view.job, first.view.model)
    stage.check_nothing_runs(worker)


def test_without_failed_rows_it_reports_so_and_needs_no_server(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    stage.check_finished(stage.classify())
    worker.kill()
    stage.fleet.server.stop()
    again = stage.classify("--retry-failed")
    assert again.wait() == Exit.OK, again.story
    assert "there is nothing to retry" in again.log
    stage.check_table(stage.output.read_bytes())


def test_the_old_table_stays_until_the_new_one_takes_its_place(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    broken = _break(stage)
    assert stage.classify().wait() == Exit.SOME_FAILED
    old = stage.output.read_bytes()
    mend(stage, broken)
    assert worker.end() == 0
    retry = stage.classify("--retry-failed", "--timeout", "1.5")
    assert retry.wait() == Exit.INTERRUPTED, retry.story
    view = retry.view
    assert view is not None
    assert (view.state, view.images - view.done) == (JobState.PAUSED, len(broken))
    assert stage.output.read_bytes() == old
    worker = stage.fleet.worker()
    stage.check_finished(stage.classify())  # the plain command resumes the retry
    stage.check_nothing_runs(worker)


def test_a_job_stopped_by_its_budget_repeats_rows_and_continues(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    broken = _break(stage)
    command = ("--max-failures", "20")
    assert stage.classify(*command).wait() == Exit.BUDGET
    again = stage.classify("--retry-failed", *command)
    assert again.wait() == Exit.BUDGET, again.story
    mend(stage, broken)
    stage.check_finished(stage.classify("--retry-failed", *command))
    stage.check_nothing_runs(worker)


def _break(stage: Scenario) -> set[int]:
    return spoil(stage, {*range(0, IMAGES, EVERY), *RUN})
