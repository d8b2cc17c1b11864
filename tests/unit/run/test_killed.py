"""An update is killed between its steps. tests/faults kills it at each passage of each point."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from producer.job.journal import next_journal
from producer.job_control import forget as forgetting
from producer.run.job import Job
from producer.table.display_options import DisplayOptions
from shared.settings import Settings
from tests.support.failpoints.armed import Points, Shot
from tests.support.jobs.finished_job import finish
from tests.support.jobs.updated_job import update
from tests.support.jobs.updating_process import killed_at
from tests.unit.run.killed import Stage


@pytest.fixture
def interrupted(tmp_path: Path) -> Stage:
    """An update was killed when its rows were there, and its table was not."""
    stage, points = Stage(tmp_path), Points(tmp_path / "points")
    assert killed_at(stage.options, Shot("table.written"), points) == -signal.SIGKILL
    assert len(os.listdir(stage.folder)) > len(stage.files)
    return stage


def test_forget_removes_what_an_interrupted_update_has_left(interrupted: Stage) -> None:
    output = str(interrupted.table)
    forgetting.forget(forgetting.find(output), Settings())
    assert sorted(os.listdir(interrupted.folder)) == ["in", "out.csv", "out.csv.corrections.jsonl"]
    assert interrupted.table.read_bytes() == interrupted.old


def test_a_job_that_starts_over_removes_what_an_interrupted_update_has_left(
    interrupted: Stage,
) -> None:
    finish(interrupted.options, restart=True)
    assert sorted(os.listdir(interrupted.folder)) == interrupted.files


def test_an_update_goes_on_with_the_rows_that_it_has(interrupted: Stage) -> None:
    assert update(interrupted.options).view.attempt.classified == 0
    assert interrupted.table.read_bytes() == interrupted.new


def test_an_update_starts_over_if_what_it_has_left_is_damaged(interrupted: Stage) -> None:
    next_journal(interrupted.table).write_bytes(b"no journal" * 1_000)
    update(interrupted.options)
    assert interrupted.table.read_bytes() == interrupted.new
    assert sorted(os.listdir(interrupted.folder)) == interrupted.files


def test_an_update_starts_over_if_the_table_was_rendered_otherwise_since(
    interrupted: Stage,
) -> None:
    with closing(Job(interrupted.options, display=DisplayOptions(columns=("label",)))) as job:
        job.table.render()
    summary = update(interrupted.options)
    assert summary.view.attempt.classified == 2
    assert interrupted.table.read_bytes().startswith(b"path,label")
    assert sorted(os.listdir(interrupted.folder)) == interrupted.files
