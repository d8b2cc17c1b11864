"""Names and contents are synced before the log, or the next step, relies on them.

The events are the passed failpoints and the calls of `fsync`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.sort_log import sorted_folder
from producer.sort_log.log import State, Way
from producer.sorting import sort
from shared import failpoints
from tests.support.archives.archive_writers import write
from tests.support.jobs import sorted_job
from tests.support.jobs.finished_job import finish, options_of
from tests.support.machine.small_disk import mounted

if not Path("/proc/self/fd").is_dir():
    pytest.skip("this system does not tell the path of a descriptor", allow_module_level=True)

FILES = {"1.png": b"one"}
#: After the last of these a file has its new name.
STEPS = {Way.COPY: "sort.copied", Way.LINK: "sort.linked", Way.MOVE: "sort.moved"}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path, FILES)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens: names of failpoints, paths of what was synced."""
    found: list[str] = []
    fsync = os.fsync

    def synced(fd: int) -> None:
        fsync(fd)
        found.append(os.readlink(f"/proc/self/fd/{fd}"))

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(failpoints, "_on_pass", found.append)
    return found


def between(events: list[str], start: str, end: str) -> set[str]:
    """What follows the last `start`, up to the next `end`."""
    after = events[len(events) - events[::-1].index(start) :]
    return set(after[: after.index(end)])


def label(out: Path) -> str:
    """The only folder of a label."""
    (found,) = (path for path in out.iterdir() if path.is_dir())
    return str(found)


@pytest.mark.parametrize("way", Way)
def test_a_files_new_name_is_synced_before_the_log_says_it_is_placed(
    table: Path, events: list[str], way: Way
) -> None:
    sort.sort(table, table.parent / "sorted", way)
    found = between(events, STEPS[way], "sort.logged")
    assert {label(table.parent / "sorted"), str(table.parent / "in")} <= found


@pytest.mark.parametrize("way", Way)
def test_a_returned_files_name_is_synced_before_the_log_forgets_it(
    table: Path, events: list[str], way: Way
) -> None:
    sort.sort(table, table.parent / "sorted", way)
    folder = label(table.parent / "sorted")
    events.clear()
    sort.undo(table.parent / "sorted")
    step = "sort.moved" if way is Way.MOVE else "sort.unlinked"
    assert {folder, str(table.parent / "in")} <= between(events, step, "sort.logged")


def test_a_copys_content_is_synced_before_it_gets_its_name(table: Path, events: list[str]) -> None:
    sort.sort(table, table.parent / "sorted", Way.COPY)
    found = between(events, "sort.part-begun", "sort.part-written")
    assert [path.endswith(".part") for path in found] == [True]


def test_what_is_copied_out_of_an_archive_is_synced_before_it_gets_its_name(
    tmp_path: Path, events: list[str]
) -> None:
    write(tmp_path / "photos.zip", FILES)
    finish(options_of(tmp_path, b"photos.zip"))
    sort.sort(tmp_path / "out.csv", tmp_path / "sorted", Way.COPY)
    found = between(events, "sort.part-begun", "sort.part-written")
    assert [path.endswith(".part") for path in found] == [True]


def test_a_new_folders_name_is_synced_at_once(table: Path, events: list[str]) -> None:
    sort.sort(table, table.parent / "sorted", Way.MOVE)
    assert events[events.index("sort.folder-made") + 1] == str(table.parent / "sorted")


def test_what_is_settled_is_synced_before_the_log_says_so(table: Path, events: list[str]) -> None:
    out = table.parent / "sorted"
    sort.sort(table, out, Way.COPY)
    (log,) = sorted_folder.logs_of()
    log.mark(State.PLACING, log.entries.values())
    log.write()
    part = Path(label(out), f".hangtag-{log.name}-0.part")
    part.write_bytes(b"o")
    events.clear()
    sort.sort(table, out, Way.COPY)
    assert not part.exists()
    assert label(out) in between(events, "sort.unlinked", "sort.logged")


class TestTwoDisks:
    @pytest.fixture
    def out(self, tmp_path: Path) -> Iterator[Path]:
        with mounted(tmp_path / "disk", "1m") as disk:
            yield disk.folder / "sorted"

    def test_the_source_is_removed_after_its_copy_is_synced(
        self, table: Path, out: Path, events: list[str]
    ) -> None:
        sort.sort(table, out, Way.MOVE)
        assert label(out) in between(events, "sort.copied", "sort.aside")
        assert str(table.parent / "in") in between(events, "sort.unlinked", "sort.logged")

    def test_the_placed_file_is_removed_after_its_return_is_synced(
        self, table: Path, out: Path, events: list[str]
    ) -> None:
        sort.sort(table, out, Way.MOVE)
        folder = label(out)
        events.clear()
        sort.undo(out)
        assert str(table.parent / "in") in between(events, "sort.copied", "sort.aside")
        assert folder in between(events, "sort.unlinked", "sort.logged")
