"""`hangtag demo` replaces what an earlier demo wrote into its folder, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.job.job_options import JobOptions
from shared.errors import Exit
from tests.support.jobs.finished_job import finish

_FOREIGN = "a,b\nmine,1\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder demo/ in the current folder; no server can be reached."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    (tmp_path / "demo/images").mkdir(parents=True)
    (tmp_path / "demo/images/1.png").write_bytes(b"one")
    return Path("demo")


def finish_demo() -> None:
    """A job as the demo starts it."""
    finish(
        JobOptions((b"demo/images",), os.fsencode(os.getcwd()), os.path.abspath("demo/results.csv"))
    )


def check_refused(folder: Path, name: str) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = CliRunner().invoke(hangtag, ["demo", "--count", "1"])
    assert result.exit_code == Exit.USAGE, result.output
    (line,) = result.stderr.splitlines()
    assert str(folder / name) in line
    assert "hangtag demo FOLDER" in line
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["results.csv", "results.html"])
def test_a_file_of_the_user_is_not_replaced(folder: Path, name: str) -> None:
    (folder / name).write_text(_FOREIGN)
    check_refused(folder, name)


def test_a_table_that_was_edited_is_not_replaced(folder: Path) -> None:
    finish_demo()
    with (folder / "results.csv").open("a") as table:
        table.write("mine\n")
    check_refused(folder, "results.csv")
