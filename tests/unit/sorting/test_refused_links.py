"""A file that may have no hard link stays alone; where no file may have one, `sort` says so."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from producer.sorting import sort
from producer.sorting.entry import Way
from shared.errors import Exit, UsageError
from shared.labels.class_folders import SORT_LOG
from tests.support.jobs import sorted_job
from tests.support.jobs.sorted_job import folders_of, sorted_tree, tree

#: Owns nothing.
NOBODY = 65534
FILES = {f"{i}.png": b"image %d" % i for i in range(5)}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
needs_protection = pytest.mark.skipif(
    not Path("/proc/sys/fs/protected_hardlinks").is_file()
    or Path("/proc/sys/fs/protected_hardlinks").read_text().strip() != "1",
    reason="this system lets every user link to every file",
)


@pytest.fixture
def table() -> Iterator[Path]:
    """Below a folder that every user may pass."""
    with tempfile.TemporaryDirectory() as folder:
        yield sorted_job.make(Path(folder), FILES)


@contextmanager
def another_user(folder: Path) -> Iterator[None]:
    """Give a folder to another user, and be that user."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@needs_root
@needs_protection
def test_a_file_of_another_user_stays_alone(table: Path) -> None:
    foreign, out = table.parent / "in/1.png", table.parent / "sorted"
    with another_user(table.parent):
        os.seteuid(0)
        os.chown(foreign, 0, 0)
        foreign.chmod(0o644)
        os.seteuid(NOBODY)
        found = sort.sort(table, out, Way.LINK)
        assert found.stay == {"operation not permitted": 1}
        assert found.first == {"operation not permitted": str(foreign)}
        assert found.exit_code == Exit.SOME_FAILED
        assert sorted(sorted_tree(out)) == sorted(
            place for place in folders_of(table) if place[1] != FILES["1.png"]
        )
        assert (out / SORT_LOG).stat().st_nlink == 1
        assert not [name for name in tree(out) if "/.hangtag" in name]
        sort.undo(out)
    assert tree(table.parent / "in") == FILES


@needs_root
def test_a_link_that_may_not_be_taken_back_stays(table: Path) -> None:
    out = table.parent / "sorted"
    with another_user(table.parent):
        sort.sort(table, out, Way.LINK)
        os.seteuid(0)
        os.chown(table.parent / "in/1.png", 0, 0)
        (place,) = (one for one in out.rglob("*.png") if one.read_bytes() == FILES["1.png"])
        os.chown(place.parent, 0, 0)
        place.parent.chmod(0o1777)  # with the sticky bit
        os.seteuid(NOBODY)
        found = sort.undo(out)
        assert found.exit_code == Exit.SOME_FAILED
        assert "operation not permitted" in found.stay


def test_a_file_system_without_hard_links_is_named_at_the_first_file(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)  # as on FAT
    with pytest.raises(UsageError, match=r"without hard links; use --copy"):
        sort.sort(table, table.parent / "sorted", Way.LINK)
    assert tree(table.parent / "sorted") == {}
