"""Files that are compared with the decisions about them, which takes long for large ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from producer.cli.jobs.job_display import JobDisplay
from producer.dataset_check import check_table
from producer.inputs.job_options import JobOptions
from producer.jobs import classify
from producer.jobs.job import Job
from producer.locations import row_files
from producer.locations.row_files import RowFiles
from producer.present import meter
from producer.present.events import Events
from producer.present.meter import Stages
from producer.present.progress import make_progress
from producer.review import server
from producer.review.answer_arrays import Answers
from producer.review.decisions import Decisions
from producer.sources.job_sources import JobSources
from shared.stop import unstoppable
from tests.support.jobs.decided import correct
from tests.support.jobs.finished_job import finish, options_of
from tests.support.pages.planted_check import card, rows_of, write_files

FILES, CONTENT = 9, b"image"


def at_the_end_of_a_job(folder: Path) -> int:
    options, events = planted(folder), Events()
    events.subscribe(JobDisplay(make_progress()).show)
    with closing(Job(options)) as job, row_files.of_table(job.output, options) as files:
        classify._name_rows(job, files.sha256, [], events, unstoppable())
    return FILES


def at_the_start_of_a_review(folder: Path) -> int:
    options = planted(folder)
    answers = Answers(Path(options.output), lambda done, total: None)
    files = RowFiles(JobSources(options))
    list(server._notes(Decisions(answers, Path(options.output), "ada", files), FILES))
    return FILES


def planted(folder: Path) -> JobOptions:
    (folder / "photos").mkdir()
    for n in range(FILES):
        (folder / f"photos/{n}.png").write_bytes(CONTENT)
    options = options_of(folder, b"photos")
    finish(options)
    correct(Path(options.output), CONTENT, "Bag")
    return options


def after_a_check_of_data(folder: Path) -> int:
    write_files(folder / "photos")
    rows, table = rows_of(folder / "photos"), folder / "check.csv"
    correct(table, Path(os.fsdecode(rows.paths[0])).read_bytes(), "Bag")
    check_table.write(
        rows, card(), os.fsencode(folder / "photos"), str(table), Stages(make_progress())
    )
    return len(rows.paths)


@pytest.mark.parametrize(
    "compare", [at_the_end_of_a_job, at_the_start_of_a_review, after_a_check_of_data]
)
def test_a_comparison_of_files_displays_the_rows_that_have_passed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    compare: Callable[[Path], int],
) -> None:
    monkeypatch.setattr(meter, "DISPLAY_AFTER_S", 0.0)
    monkeypatch.setattr(meter, "PLAIN_EVERY_S", 0.0)
    count = compare(tmp_path)
    assert f"comparing corrected files: {count} of {count}" in capsys.readouterr().err
