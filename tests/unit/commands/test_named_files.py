"""Files that were named on the command line may be removed or sorted once their job has started."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.sort_log.log import Way
from producer.sorting import sort
from producer.table.verify import verify
from shared.errors import Exit
from shared.image_status import Status
from tests.support.jobs.finished_job import finish, options_of

NAMES = (b"in/1.png", b"in/2.png", b"in/3.png")
CLASSIFY = ("classify", *map(os.fsdecode, NAMES), "-o", "out.csv")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder with three images, a state of its own and no server."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in NAMES:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    return tmp_path


def run(*arguments: str) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["hangtag", *arguments])  # `submit` passes them on
        return CliRunner().invoke(hangtag, arguments)


def statuses(here: Path) -> list[str]:
    with (here / "out.csv").open(newline="", encoding="utf-8") as file:
        return [row["status"] for row in csv.DictReader(file)]


def test_sorted_files_are_verified_and_retried_where_they_are(here: Path) -> None:
    finish(options_of(here, *NAMES))
    table = here / "out.csv"
    sort.sort(table, here / "sorted", Way.MOVE)
    assert list((here / "in").iterdir()) == []
    proof = verify(table, deep=True)
    assert (proof.problems, proof.proven, proof.rows) == ([], True, 3)
    result = run(*CLASSIFY, "--retry-failed")
    assert result.exit_code == Exit.OK, result.output
    assert "there is nothing to retry" in result.stderr


@pytest.mark.parametrize("gone", [0, 1])
def test_a_paused_job_resumes_without_a_file_that_is_gone(here: Path, gone: int) -> None:
    """Only the first file has a batch."""
    finish(options_of(here, *NAMES), batch_images=1, stop_after=0)
    (here / os.fsdecode(NAMES[gone])).unlink()
    for command in (CLASSIFY, ("classify", "--detach", *CLASSIFY[1:]), ("collect", "out.csv")):
        result = run(*command)
        assert result.exit_code == Exit.SETUP, result.output
        assert "HANGTAG_REDIS_URL" in result.stderr, "no check has refused it before"
    finish(options_of(here, *NAMES), batch_images=1)
    expected = [Status.OK] * 3
    expected[gone] = Status.MISSING
    assert statuses(here) == expected
    assert verify(here / "out.csv").proven
