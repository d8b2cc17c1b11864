"""Images on one disk, sorted into a folder on another."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.sort_log.log import Way
from producer.sorting import sort
from shared import failpoints
from shared.errors import Exit, UsageError
from tests.support.jobs import sorted_job
from tests.support.jobs.sorted_job import tree
from tests.support.machine.small_disk import Disk, mounted

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a disk")

FILES = {"a/1.png": b"one", "b/2.png": b"two"}
OTHER_USER = 65534


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk", "1m") as disk:
        yield disk


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path, FILES)


@pytest.mark.parametrize("way", [Way.COPY, Way.MOVE])
def test_images_go_there_and_return(table: Path, disk: Disk, way: Way) -> None:
    out = disk.folder / "sorted"
    assert sort.sort(table, out, way).stay == {}
    assert sorted(tree(out).values()) == sorted(FILES.values())
    assert tree(table.parent / "in") == ({} if way is Way.MOVE else FILES)
    assert sort.undo(out).exit_code == Exit.OK
    assert tree(table.parent / "in") == FILES
    assert not out.exists()


def test_links_are_refused_before_anything_is_done(table: Path, disk: Disk) -> None:
    with pytest.raises(UsageError, match="no hard link to in in that folder"):
        sort.sort(table, disk.folder / "sorted", Way.LINK)
    assert os.listdir(disk.folder) == []


def test_a_file_in_a_folder_of_another_user_stays_and_is_not_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[str] = []
    with (
        tempfile.TemporaryDirectory() as folder,  # which every user may pass
        mounted(Path(folder, "disk"), "1m") as disk,
    ):
        home = Path(folder, "home")
        home.mkdir()
        table = sorted_job.make(home, FILES, disk.folder / "in")
        monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
        for path in (home.parent, home, *home.rglob("*")):
            os.chown(path, OTHER_USER, OTHER_USER)
        monkeypatch.setattr(failpoints, "_on_pass", events.append)
        os.setresuid(OTHER_USER, OTHER_USER, 0)
        try:
            found = sort.sort(table, home / "sorted", Way.MOVE)
        finally:
            os.setresuid(0, 0, 0)
        assert found.stay == {"permission denied": len(FILES)}
        assert tree(home / "sorted") == {}
        assert tree(disk.folder / "in") == FILES
    assert "sort.logged" in events
    assert "sort.copied" not in events
