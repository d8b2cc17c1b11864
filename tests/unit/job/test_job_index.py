"""The files of jobs are readable by their user only, and the index finds the jobs again."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from producer.job.job_index import (
    IndexedJob,
    entries,
    forget,
    index_dir,
    output_of,
    remember,
    set_model,
)
from producer.job.journal import Journal, journal_path
from shared import atomic_file
from shared.errors import SetupError
from shared.process import machine_id


@pytest.fixture(params=[0o000, 0o022], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.usefixtures("umask")
def test_a_journal_and_its_log_are_readable_by_their_user_only(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    with closing(Journal(journal_path(output))) as journal:
        journal.put(record=b"{}")
        assert {mode(path) for path in tmp_path.iterdir()} == {0o600}
        assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("there", [False, True])
def test_the_state_folder_is_accessible_to_its_user_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "state/hangtag"
    if there:
        folder.mkdir(parents=True, mode=0o755)
    output = tmp_path / "out.csv"
    journal_path(output).touch()
    remember(IndexedJob("abcdefgh", str(output), 0.0))
    assert mode(folder) == 0o700
    assert output_of("abcdefgh") == output
    assert index_dir().parent == folder


def test_an_id_of_another_machine_is_not_the_job_of_this_one_at_its_path(tmp_path: Path) -> None:
    """Otherwise a command would display, cancel or remove the wrong job."""
    output = tmp_path / "out.csv"
    journal_path(output).touch()
    remember(IndexedJob("testjb01", str(output), 1.0, machine="another"))
    remember(IndexedJob("testjb02", str(output), 2.0, machine=machine_id()))
    assert output_of("testjb01") is None
    assert output_of("testjb02") == output
    assert [entry.id for entry in entries()] == ["testjb02"]  # one line of `status`
    forget(["testjb02"])
    assert [entry.id for entry in entries()] == ["testjb01"]
    remember(IndexedJob("testjb02", str(output), 2.0, machine=machine_id()))
    remember(IndexedJob("testjb03", str(output), 3.0))  # a restart
    assert [entry.id for entry in entries()] == ["testjb03"]
    other = tmp_path / "other.csv"
    journal_path(other).touch()
    remember(IndexedJob("testjb04", str(other), 4.0))
    set_model("testjb03", "mine@1")
    models = [(entry.id, entry.model) for entry in entries()]
    assert models == [("testjb03", "mine@1"), ("testjb04", "")]
    forget(["testjb04"])
    journal_path(output).unlink()  # its folder is there, with another file
    (tmp_path / "photo.png").touch()
    assert [(entry.id, entry.model) for entry in entries()] == [("testjb01", "")]


def test_an_entry_whose_replacement_fails_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(part: Path, _: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(part))

    journal_path(tmp_path / "out.csv").touch()
    remember(IndexedJob("abcdefgh", str(tmp_path / "out.csv"), 0.0))
    monkeypatch.setattr(atomic_file, "rename_durably", fail)
    with pytest.raises(SetupError, match="No space left"):
        set_model("abcdefgh", "mine@1")
    assert [(entry.id, entry.model) for entry in entries()] == [("abcdefgh", "")]
