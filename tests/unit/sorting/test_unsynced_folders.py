"""A file system that cannot sync folders, such as an ISO image's, is read and written all the same.

/proc stands for it: an fsync of its folders fails with EINVAL.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from producer.sorting.folders import Folders
from shared import atomic_file

UNSYNCED = Path("/proc")


@pytest.fixture(autouse=True)
def check_it_is_unsynced() -> None:
    if not UNSYNCED.is_dir():
        pytest.skip("this system has no /proc")
    folder = os.open(UNSYNCED, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
            os.fsync(folder)
    finally:
        os.close(folder)


def test_folders_of_sources_need_no_sync(tmp_path: Path) -> None:
    with Folders(str(tmp_path)) as folders:
        folders.descriptor(os.fsencode(UNSYNCED))
        folders.descriptor(os.fsencode(tmp_path / "Coat"), make=True)
        folders.sync()
    assert (tmp_path / "Coat").is_dir()


def test_other_errors_of_a_sync_are_raised(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    os.close(write)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        atomic_file.sync_names(write)


def test_the_names_in_such_a_folder_need_no_sync() -> None:
    atomic_file.sync_folder(UNSYNCED)
