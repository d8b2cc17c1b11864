"""A job of a quoted pattern is resumed, counted, proven and sorted like one of a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.verify.verify import verify
from shared.errors import Exit
from tests.support.jobs.finished_job import finish, options_of


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images in two folders, and an unreachable broker."""
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.png", "a/2.png", "a/3.jpg", "b/4.png", "b/5.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hangtag, arguments)


def paths(table: Path) -> list[str]:
    return [row.split(",")[0] for row in table.read_text().splitlines()[1:]]


@pytest.mark.parametrize("stop_after", [0, 1, 2])
def test_a_job_of_two_patterns_is_resumed_with_one_row_for_each_file(
    here: Path, stop_after: int
) -> None:
    options = options_of(here, b"?/*.png", b"a/*")
    finish(options, 1, stop_after=stop_after)
    finish(options, 2)
    assert paths(here / "out.csv") == ["a/1.png", "a/2.png", "b/4.png", "b/5.png", "a/3.jpg"]
    assert verify(here / "out.csv").proven
    again = run("classify", "?/*.png", "a/*", "-o", "out.csv")
    assert again.exit_code == Exit.OK
    assert "appeared" not in again.stderr


@pytest.mark.parametrize("name", ["b/0.png", "a/9.jpg"])
def test_a_file_that_a_pattern_matches_now_is_counted_and_no_other(here: Path, name: str) -> None:
    finish(options_of(here, b"?/*.png", b"a/*"))
    (here / "b/other.jpg").touch()
    (here / name).write_bytes(b"new")
    result = run("classify", "?/*.png", "a/*", "-o", "out.csv")
    assert "1 file has appeared since the job started" in result.stderr
    assert verify(here / "out.csv").problems == [
        f"{name}: has no row; classify with --update to add it"
    ]


def test_a_pattern_may_match_nothing_after_its_files_were_sorted(here: Path) -> None:
    finish(options_of(here, b"a/*.png"))
    assert run("sort", "out.csv", "--into", "sorted", "--move").exit_code == Exit.OK
    assert not list(here.glob("a/*.png"))
    assert verify(here / "out.csv").proven
    assert run("classify", "a/*.png", "-o", "out.csv").exit_code == Exit.OK
    assert run("sort", "--undo", "sorted").exit_code == Exit.OK
    assert verify(here / "out.csv").proven


def test_a_folder_of_a_pattern_that_is_gone_is_named(here: Path) -> None:
    finish(options_of(here, b"a/*.png"))
    shutil.rmtree(here / "a")
    (problem,) = verify(here / "out.csv").problems
    assert problem.startswith(f"{here}/a no longer exists")


def test_another_pattern_is_another_job(here: Path) -> None:
    finish(options_of(here, b"a/*.png"))
    result = run("classify", "a/*.jpg", "-o", "out.csv")
    assert result.exit_code == Exit.USAGE
    assert "started with other options (the folders)" in result.stderr


def test_a_pattern_for_predict_is_left_to_the_shell(here: Path) -> None:
    result = run("predict", "a/*.png")
    assert (result.exit_code, len(result.stderr.splitlines())) == (Exit.USAGE, 1)
    assert "leave the pattern to the shell" in result.stderr
