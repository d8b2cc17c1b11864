"""What commands say of a job, while its producer runs and afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.job import journal_lock
from producer.job.journal import Journal, journal_path, next_journal
from producer.job.records import FrozenBatch
from producer.job.sealed_journal import SealedJournal
from producer.job.snapshot import (
    JobState,
    JobView,
    check_readable,
    job_of_producer,
    read_snapshot,
    stored_options,
    with_known_files,
)
from producer.job.totals import AnswerCounts
from shared import file_lock
from shared.errors import Exit, SetupError, UsageError
from tests.support.jobs.finished_job import ID, finish, options_of


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a table in the current folder, which has a folder with an image."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/1.png").write_bytes(b"1")
    return tmp_path / "out.csv"


@contextmanager
def held(output: Path) -> Iterator[None]:
    """As by a producer."""
    lock = journal_lock.take(journal_path(output))
    yield
    os.close(lock)


def status() -> str:
    return CliRunner().invoke(hangtag, ["status", "out.csv"]).output


def seen(output: Path) -> JobView:
    view = read_snapshot(output)
    assert view is not None
    return view


def test_a_journal_without_a_job_is_damaged_unless_a_producer_is_creating_it(
    output: Path,
) -> None:
    assert read_snapshot(output) is None
    with held(output):
        assert read_snapshot(output) is None
        assert "is starting; wait for it" in status()
        with pytest.raises(UsageError, match="is running; wait for it"):
            SealedJournal(output)
    assert seen(output).state is JobState.UNREADABLE
    Journal(journal_path(output)).close()
    assert read_snapshot(output) is None
    assert "never started" in status()
    for read in (stored_options, SealedJournal):
        with pytest.raises(UsageError, match=r"never started; start it with"):
            read(output)


def test_a_job_is_read_as_of_the_last_commit_of_its_producer(output: Path) -> None:
    finish(options_of(output.parent, b"in"), stop_after=0)
    assert seen(output).state is JobState.PAUSED
    with closing(Journal(journal_path(output))) as journal:
        journal.put(exit=b"%d" % Exit.OK, producer=b"1:2")
        assert (seen(output).state, seen(output).exit_code) == (JobState.RUNNING, Exit.OK)
        assert [job_of_producer(output, process) for process in ("1:2", "1:3")] == [ID, ""]
    assert seen(output).state is JobState.FINISHED


def test_answers_of_an_earlier_attempt_are_not_displayed(output: Path) -> None:
    finish(options_of(output.parent, b"in"), stop_after=0)
    answers = AnswerCounts({"Bag": 1})
    for stopped, displayed in ((Exit.BUDGET, answers), (Exit.INTERRUPTED, None)):
        with closing(Journal(journal_path(output))) as journal:
            journal.put(stopped=b"%d" % stopped, answers=msgspec.json.encode(answers))
        assert seen(output).answers == displayed


def test_an_update_is_displayed_only_while_it_runs_and_its_journal_can_be_read(
    output: Path,
) -> None:
    finish(options_of(output.parent, b"in"))
    with (
        closing(Journal(journal_path(output))) as old,
        closing(Journal(next_journal(output))) as new,
    ):
        new.put(record=old.get("record") or b"")
        new.commit([FrozenBatch(0, 0, [b"a", b"b"], [(0, 0)] * 2)])
    assert (seen(output).state, seen(output).images) == (JobState.FINISHED, 1)
    with held(output):
        assert (seen(output).state, seen(output).images) == (JobState.RUNNING, 2)
        next_journal(output).write_bytes(b"no journal" * 1_000)
        assert (seen(output).state, seen(output).images) == (JobState.RUNNING, 1)


def test_what_a_job_knows_of_its_files_is_used_for_the_same_options_only(output: Path) -> None:
    same, other = (options_of(output.parent, root) for root in (b"in", b"in/1.png"))
    finish(same)
    assert with_known_files(same).file_roots == ()
    assert with_known_files(other).file_roots is None


def test_a_journal_that_has_vanished_is_one_line(output: Path) -> None:
    with pytest.raises(UsageError, match="there is no job"):
        stored_options(output)
    with pytest.raises(SetupError, match=r"out\.csv\.hangtag: "):
        check_readable(output)


def test_a_journal_that_is_replaced_before_it_is_locked_is_locked_itself(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(options_of(output.parent, b"in"))
    path, try_share = journal_path(output), file_lock.try_share

    def share_replaced(fd: int) -> bool:
        monkeypatch.undo()
        shutil.copy(path, output.parent / "copy")
        (output.parent / "copy").replace(path)
        return try_share(fd)

    monkeypatch.setattr(file_lock, "try_share", share_replaced)
    with SealedJournal(output), path.open() as file:
        assert not file_lock.try_acquire(file.fileno())
