"""What cannot be sorted is refused before anything is touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from producer.job import job_index
from producer.sort_log.log import Way
from producer.sorting import sort
from shared import failpoints
from shared.errors import UsageError
from tests.support.jobs import sorted_job
from tests.support.jobs.finished_job import finish, options_of


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path, {"a.png": b"one"})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "sorted"


def test_a_table_without_a_journal_with_one_that_can_be_sorted(tmp_path: Path, out: Path) -> None:
    for folder in ("elsewhere", "here"):
        (tmp_path / folder / "in").mkdir(parents=True)
        finish(options_of(tmp_path / folder, b"in"))
        job = job_index.IndexedJob(f"testjb0{folder[0]}", str(tmp_path / folder / "out.csv"), 1.0)
        job_index.remember(job)
    (tmp_path / "here/own95.csv").write_text("path,label\n")
    with pytest.raises(UsageError, match=f"for example {tmp_path}/here/out.csv"):
        sort.rehearse(tmp_path / "here/own95.csv", out, Way.MOVE)


def test_a_table_without_a_journal(tmp_path: Path, out: Path) -> None:
    (tmp_path / "x.csv").write_text("path,label\n")
    with pytest.raises(UsageError, match="has no journal"):
        sort.sort(tmp_path / "x.csv", out, Way.COPY)
    assert not out.exists()


def test_an_unfinished_job(tmp_path: Path, out: Path) -> None:
    (tmp_path / "in").mkdir()
    for i in range(7):
        (tmp_path / f"in/{i}.png").write_bytes(b"%d" % i)
    finish(options_of(tmp_path, b"in"), stop_after=1)
    with pytest.raises(UsageError, match="finish it with: hangtag classify"):
        sort.sort(tmp_path / "out.csv", out, Way.MOVE)


def test_two_at_once(table: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(name: str) -> None:
        if name == "sort.copied":
            with pytest.raises(UsageError, match="another hangtag sort runs"):
                sort.undo(out)
            refused.append(name)

    refused: list[str] = []
    monkeypatch.setattr(failpoints, "_on_pass", meanwhile)
    assert sort.sort(table, out, Way.COPY).count == len(refused) == 1


@pytest.mark.parametrize("work", [sort.sort, sort.rehearse])
def test_a_table_in_a_folder_that_is_no_text(
    tmp_path: Path, out: Path, work: Callable[[Path, Path, Way], object]
) -> None:
    (tmp_path / "job").mkdir()
    table = sorted_job.make(tmp_path / "job", {"a.png": b"one"})
    folder = table.parent.rename(tmp_path / os.fsdecode(b"caf\xe9"))
    with pytest.raises(UsageError, match=r"caf\\xe9/out.csv has bytes that are not UTF-8"):
        work(folder / "out.csv", out, Way.COPY)
    assert not out.exists()


@pytest.mark.parametrize("into", ["out.csv", "a\nb"])
def test_a_folder_that_cannot_be(table: Path, into: str) -> None:
    with pytest.raises(UsageError, match="folder"):
        sort.sort(table, table.parent / into, Way.COPY)
