"""A sort that ends before its log has an entry is undone, and leaves nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from producer.sort_log.entry import Way
from producer.sorting import sort, sort_index
from shared import failpoints
from shared.labels.class_folders import SORT_LOG
from tests.support.jobs import sorted_job
from tests.support.jobs.sorted_job import tree

FILES = {"1.png": b"one"}


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


@pytest.mark.parametrize(
    "point", ["sort.indexed", "sort.out-made", "sort.log-created", "sort.logged"]
)
def test_undo_removes_what_was_made(
    table: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    interrupt(monkeypatch, table, point)
    sort.undo(table.parent / "new/sorted")
    assert not (table.parent / "new").exists()
    assert os.listdir(sort_index._folder()) == []
    assert tree(table.parent / "in") == FILES


def test_a_half_written_entry_of_a_killed_command_is_removed(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, table, "sort.out-made")
    (entry,) = sort_index._folder().iterdir()
    entry.with_name(f".{entry.stem}").write_bytes(b"half")
    sort.undo(table.parent / "new/sorted")
    assert os.listdir(sort_index._folder()) == []


@pytest.mark.parametrize("point", ["sort.out-made", "sort.log-created"])
def test_the_same_command_goes_on_and_is_undone(
    table: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    interrupt(monkeypatch, table, point)
    assert sort.sort(table, table.parent / "new/sorted", Way.MOVE).count == 1
    assert len(os.listdir(sort_index._folder())) == 1
    sort.undo(table.parent / "new/sorted")
    assert not (table.parent / "new").exists()


def test_sorting_again_leaves_the_index_as_it_was(table: Path) -> None:
    sort.sort(table, table.parent / "sorted", Way.MOVE)
    (entry,) = sort_index._folder().iterdir()
    before = entry.stat().st_ino, entry.stat().st_mtime_ns
    sort.sort(table, table.parent / "sorted", Way.MOVE)
    assert list(sort_index._folder().iterdir()) == [entry]
    assert (entry.stat().st_ino, entry.stat().st_mtime_ns) == before


def test_a_token_that_leads_elsewhere_is_in_no_index(table: Path) -> None:
    sort.sort(table, table.parent / "sorted", Way.MOVE)
    (name,) = os.listdir(sort_index._folder())
    token = name.removesuffix(".json")
    assert sort_index.of_log(token) is not None
    assert sort_index.of_log(f"../sorts/{token}") is None


def test_an_emptied_log_that_another_process_removes_is_made_again(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its opening and its lock; otherwise the lock would be on a file without a name."""
    log = table.parent / "sorted" / SORT_LOG
    removed: list[Path] = []

    def on_pass(name: str) -> None:
        if name == "sort.log-created" and not removed:
            removed.append(log)
            log.unlink()

    monkeypatch.setattr(failpoints, "_on_pass", on_pass)
    assert sort.sort(table, log.parent, Way.MOVE).count == 1
    assert sort.undo(log.parent).count == 1
