"""Images on one disk, sorted into a folder on another."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from producer.sort_log.log import Way
from producer.sorting import placing, sort
from producer.sorting.folders import Spot
from shared.errors import Exit, UsageError
from tests.support.jobs import sorted_job
from tests.support.jobs.sorted_job import tree
from tests.support.machine.small_disk import Disk, mounted

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a disk")

FILES = {"a/1.png": b"one", "b/2.png": b"two"}
OTHER_USER = 65534
READ_ONLY = os.strerror(errno.EROFS)


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


def test_a_file_on_a_read_only_disk_is_refused_before_it_is_copied(disk: Disk) -> None:
    disk.read_only()
    with opened(disk.folder) as folder, pytest.raises(OSError, match=READ_ONLY):
        placing._check_writable(Spot(folder, b"a.png"))


def test_a_file_in_a_folder_of_another_user_is_refused_before_it_is_copied(disk: Disk) -> None:
    with opened(disk.folder) as folder:
        placing._check_writable(Spot(folder, b"a.png"))
        disk.folder.chmod(0o755)
        os.setresuid(OTHER_USER, OTHER_USER, 0)
        try:
            with pytest.raises(PermissionError):
                placing._check_writable(Spot(folder, b"a.png"))
        finally:
            os.setresuid(0, 0, 0)


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)
