"""The files of jobs are readable by their user only, and the index finds the jobs again."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from producer.journal.job_index import (
    IndexedJob,
    entries,
    forget,
    ids_of,
    index_dir,
    output_of,
    remember,
)
from producer.journal.journal import Journal, journal_path
from shared import process
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


def test_an_entry_of_another_machine_stays(tmp_path: Path) -> None:
    """Both machines share a home, and each has a file of this path on a disk of its own."""
    output = tmp_path / "out.csv"
    remember(IndexedJob("testjb01", str(output), 1.0, machine="another"))
    (tmp_path / "the folder").touch()
    assert [entry.id for entry in entries()] == ["testjb01"]  # its journal is not missing there
    assert ids_of(str(output)) == set()
    journal_path(output).touch()
    remember(IndexedJob("testjb02", str(output), 2.0, machine=machine_id()))
    remember(IndexedJob("testjb03", str(output), 3.0))
    assert ids_of(str(output)) == {"testjb03"}
    assert sorted(file.stem for file in index_dir().iterdir()) == ["testjb01", "testjb03"]


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


def test_a_renamed_machine_has_no_entries_of_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its journal was deleted, so its entry is."""
    remember(IndexedJob("testjb01", str(tmp_path / "out.csv"), 1.0, machine=machine_id()))
    monkeypatch.setattr(socket, "gethostname", lambda: "renamed")
    machine_id.cache_clear()
    (tmp_path / "another file").touch()
    assert entries() == []


@pytest.mark.parametrize("content", [None, "", "uninitialized\n"])
def test_machines_without_an_id_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """The name of a container changes with each start: its entries would stay for months."""
    file = tmp_path / "machine-id"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr(process, "MACHINE_ID", file)
    machine_id.cache_clear()
    assert machine_id() == ""
    machine_id.cache_clear()
