"""`hangtag forget` leaves nothing of a job but its table; job ids can be shortened."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.job import journal_lock
from producer.job.find_job import NoSuchJob, find_output
from producer.job.job_index import IndexedJob, entries, remember
from producer.job.journal import journal_path
from producer.run.job import Job
from shared.errors import Exit, UsageError
from tests.support.jobs.finished_job import ID, finish, options_of


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The table of a finished job, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("1.png", "2.png"):
        (tmp_path / "photos" / name).write_bytes(name.encode())
    finish(options_of(tmp_path, b"photos"))
    remember(IndexedJob(ID, str(tmp_path / "out.csv"), 1.0))
    return tmp_path / "out.csv"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hangtag, ["forget", *arguments])


@pytest.mark.parametrize("typed", [ID, ID[:3], "out.csv"])
def test_a_forgotten_job_leaves_its_table_and_nothing_else(table: Path, typed: str) -> None:
    rows = table.read_bytes()
    with closing(Job(options_of(table.parent, b"photos"))) as job:
        job.table.write_part(Path(f"{table}.part"))
    for extra in (
        *(".hangtag-draft", ".part.hangtag-draft"),
        *(".hangtag.log", ".hangtag-wal", ".hangtag-shm"),
    ):
        Path(f"{table}{extra}").touch()
    Path(f"{table}.hangtag-draft.parts").mkdir()
    result = run(typed, "--yes")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"job {ID} is forgotten; {table} stays\n"
    assert sorted(os.listdir(table.parent)) == ["out.csv", "photos"]
    assert table.read_bytes() == rows
    assert entries() == []


@pytest.mark.parametrize("damaged", [False, True])
def test_a_part_of_a_users_own_stays(table: Path, damaged: bool) -> None:
    """Also where the journal cannot tell."""
    part = Path(f"{table}.part")
    part.write_text("a download in progress")
    if damaged:
        journal_path(table).write_bytes(b"no journal" * 1000)
    assert run(ID, "--yes").exit_code == 0
    assert sorted(os.listdir(table.parent)) == ["out.csv", "out.csv.part", "photos"]
    assert part.read_text() == "a download in progress"


def test_a_job_is_not_forgotten_without_a_confirmation(table: Path) -> None:
    result = run("out.csv")
    assert (result.exit_code, result.stdout) == (Exit.USAGE, "")
    assert f"Forget job {ID} of {table} (finished, 2 of 2 images done)?" in result.stderr
    assert "--yes" in result.stderr
    assert [entry.id for entry in entries()] == [ID]


def test_a_running_job_is_not_forgotten(table: Path) -> None:
    lock = journal_lock.take(journal_path(table))
    try:
        result = run(ID, "--yes")
    finally:
        os.close(lock)
    assert result.exit_code == Exit.USAGE
    assert f"hangtag cancel {ID}" in result.stderr
    assert journal_path(table).stat().st_size > 0


def test_a_job_whose_journal_is_empty_or_damaged_is_forgotten(table: Path) -> None:
    """Empty, as a forget leaves it that was interrupted before the file was removed."""
    for content in (b"", b"no journal" * 1000):
        remember(IndexedJob(ID, str(table), 1.0))
        journal_path(table).write_bytes(content)
        assert run(ID, "--yes").exit_code == 0
        assert not journal_path(table).exists()
        assert entries() == []


def test_a_symbolic_link_is_not_followed(table: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    journal_path(table).rename(target)
    journal_path(table).symlink_to(target)
    before = target.read_bytes()
    assert run(str(table), "--yes").exit_code == Exit.USAGE
    assert target.read_bytes() == before


def test_the_start_of_an_id_is_enough_if_one_job_has_it(table: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    journal_path(other).touch()
    remember(IndexedJob("testzz99", str(other), 2.0))
    assert find_output("testj") == table
    assert find_output("testz") == other
    with pytest.raises(UsageError, match=rf"several jobs start with test: {ID}, testzz99; type"):
        find_output("test")
    with pytest.raises(NoSuchJob, match="there is no job kkkk; see: hangtag status"):
        find_output("kkkk")
    with pytest.raises(NoSuchJob, match=r"did you mean other\.csv"):
        find_output("othr.csv")
