"""A sort that ends before its log has an entry is undone, and leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from producer.sort_log import sorted_folder
from producer.sort_log.log import Way
from producer.sorting import sort
from shared import failpoints
from shared.errors import UsageError
from tests.support.jobs import sorted_job
from tests.support.jobs.sorted_job import tree

FILES = {"1.png": b"one"}
POINTS = ["sort.recorded", "sort.out-made", "sort.id-created", "sort.logged"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path, FILES)


def interrupt(monkeypatch: pytest.MonkeyPatch, table: Path, point: str) -> None:
    def on_pass(name: str) -> None:
        if name == point:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "_on_pass", on_pass)
        with pytest.raises(KeyboardInterrupt):
            sort.sort(table, table.parent / "new/sorted", Way.MOVE)


@pytest.mark.parametrize("point", POINTS)
def test_undo_removes_what_was_made(
    table: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    interrupt(monkeypatch, table, point)
    sort.undo(table.parent / "new/sorted")
    assert not (table.parent / "new").exists()
    assert sorted_folder.tokens() == []
    assert tree(table.parent / "in") == FILES


@pytest.mark.parametrize("point", POINTS)
def test_the_same_command_goes_on_and_is_undone(
    table: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    interrupt(monkeypatch, table, point)
    assert sort.sort(table, table.parent / "new/sorted", Way.MOVE).count == 1
    assert len(sorted_folder.tokens()) == 1
    sort.undo(table.parent / "new/sorted")
    assert not (table.parent / "new").exists()


def test_a_folder_that_another_process_removes_is_not_held(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its opening and its lock; otherwise the lock would be on a file without a name."""
    sort.sort(table, table.parent / "sorted", Way.MOVE)
    monkeypatch.setattr("shared.file_lock.lost", lambda path, file: True)
    with pytest.raises(UsageError, match="another hangtag sort runs"):
        sort.undo(table.parent / "sorted")
