"""What ordinary users may not do: a file that may have no hard link stays alone, and copies of
read-only files have their attributes."""

from __future__ import annotations

import errno
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from producer.sort_log.log import Way
from producer.sorting import sort
from shared.errors import Exit, UsageError
from tests.support.jobs import sorted_job
from tests.support.jobs.sorted_job import folders_of, sorted_tree, tree

#: Owns nothing.
OTHER_USER = 65534
FILES = {f"{i}.png": b"image %d" % i for i in range(5)}
ANY = 0xFFFFFFFF
#: user::rw-, user:OTHER_USER:r--, group::r--, mask::r--, other::---
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, ANY), (2, 4, OTHER_USER), (4, 4, ANY),
                  (16, 4, ANY), (32, 0, ANY))
)  # fmt: skip
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
    """Give a folder to another user, and be that user, whose state is in that folder, too."""
    state = folder / "state"
    state.mkdir()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, OTHER_USER, OTHER_USER)
    os.seteuid(OTHER_USER)
    try:
        with patch.dict(os.environ, XDG_STATE_HOME=str(state)):
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
        os.seteuid(OTHER_USER)
        found = sort.sort(table, out, Way.LINK)
        assert found.stay == {"operation not permitted": 1}
        assert found.first == {"operation not permitted": str(foreign)}
        assert found.exit_code == Exit.SOME_FAILED
        assert sorted(sorted_tree(out)) == sorted(
            place for place in folders_of(table) if place[1] != FILES["1.png"]
        )
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
        (place,) = (path for path in out.rglob("*.png") if path.read_bytes() == FILES["1.png"])
        os.chown(place.parent, 0, 0)
        place.parent.chmod(0o1777)  # with the sticky bit
        os.seteuid(OTHER_USER)
        found = sort.undo(out)
        assert found.exit_code == Exit.SOME_FAILED
        assert "operation not permitted" in found.stay


@needs_root
def test_a_copy_of_a_read_only_file_has_its_attributes_and_its_mode(table: Path) -> None:
    """Linux lets only root write attributes of a file that may not be written."""
    source, out = table.parent / "in/1.png", table.parent / "sorted"
    os.setxattr(source, "user.note", b"mine")
    source.chmod(0o444)
    with another_user(table.parent):
        sort.sort(table, out, Way.COPY)
    (place,) = (path for path in out.rglob("*.png") if path.read_bytes() == FILES["1.png"])
    assert os.getxattr(place, "user.note") == b"mine"
    assert place.stat().st_mode & 0o777 == 0o444


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="this system has no such attributes")
def test_a_copy_has_the_access_control_list_of_its_file(table: Path) -> None:
    source, out = table.parent / "in/1.png", table.parent / "sorted"
    os.setxattr(source, "system.posix_acl_access", ACL)
    mode = source.stat().st_mode
    sort.sort(table, out, Way.COPY)
    (place,) = (path for path in out.rglob("*.png") if path.read_bytes() == FILES["1.png"])
    assert os.getxattr(place, "system.posix_acl_access") == ACL
    assert place.stat().st_mode == mode


def test_a_file_system_without_hard_links_is_named_at_the_first_file(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)  # as on FAT
    with pytest.raises(UsageError, match=r"without hard links; use --copy"):
        sort.sort(table, table.parent / "sorted", Way.LINK)
    assert tree(table.parent / "sorted") == {}
