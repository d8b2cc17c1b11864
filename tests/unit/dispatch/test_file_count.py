"""The files of a job are counted ahead of its walk, in slices, by the same rules."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from producer.dispatch import file_count
from producer.dispatch.file_count import FileCount
from producer.inputs.job_options import JobOptions
from producer.sources.job_sources import JobSources
from producer.sources.walk import Walk


def options(folder: Path) -> JobOptions:
    return JobOptions((b"photos",), os.fsencode(folder), str(folder / "out.csv"))


@pytest.fixture
def photos(tmp_path: Path) -> JobOptions:
    for number in range(700):
        path = tmp_path / f"photos/{number % 7}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "photos/notes.txt").touch()
    (tmp_path / "photos/.hidden.png").touch()
    return options(tmp_path)


def test_the_count_is_that_of_the_walk_and_takes_several_slices(
    photos: JobOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [0.0]

    def clock() -> float:
        now_s[0] += file_count.SLICE_S / 3
        return now_s[0]

    monkeypatch.setattr("time.monotonic", clock)
    count, turns = FileCount(JobSources(photos)), 0
    while count.total is None:
        count.advance()
        turns += 1
    assert count.total == sum(1 for _ in Walk(JobSources(photos)).paths()) == 700
    assert turns > file_count.START_AFTER_S / file_count.SLICE_S, "it started at once"


def test_a_small_job_is_not_counted(photos: JobOptions) -> None:
    count = FileCount(JobSources(photos))
    count.advance()
    assert count.total is None
    assert FileCount(JobSources(photos), 12).total == 12


def test_a_list_that_vanishes_ends_the_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_count, "START_AFTER_S", -1.0)
    count = FileCount(
        JobSources(JobOptions((), os.fsencode(tmp_path), "out.csv", list_file=b"gone.txt"))
    )
    for _ in range(2):
        count.advance()
    assert count.total is None
