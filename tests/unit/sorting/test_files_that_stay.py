"""Images that are not as they were classified stay where they are, and are reported."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from producer.sort_log.log import Way
from producer.sorting import sort
from shared.errors import Exit
from tests.support.jobs import sorted_job
from tests.support.jobs.finished_job import finish, options_of
from tests.support.jobs.sorted_job import tree

WAYS = list(Way)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path, sorted_job.some_files())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "sorted"


def pictures(table: Path) -> dict[str, bytes]:
    return tree(table.parent / sorted_job.FOLDER)


@pytest.mark.parametrize("way", WAYS)
def test_an_image_that_differs_from_its_row_stays(table: Path, out: Path, way: Way) -> None:
    inside = table.parent / "in"
    (inside / "a/0.png").unlink()
    (inside / "a/1.png").write_bytes(b"other, longer than before")
    info = (inside / "a/2.png").stat()
    (inside / "a/2.png").write_bytes(b"imAge 2")
    os.utime(inside / "a/2.png", ns=(info.st_atime_ns, info.st_mtime_ns))
    (inside / "a/3.png").rename(inside / "a/link")
    (inside / "a/3.png").symlink_to("link")
    (inside / "a/4.png").unlink()
    os.mkfifo(inside / "a/4.png")
    shutil.move(inside / "b", inside / "bb")
    (inside / "b").symlink_to("bb")
    rehearsed = sort.rehearse(table, out, way)
    found = sort.sort(table, out, way)
    of_b = len(os.listdir(inside / "bb"))
    assert found.exit_code == Exit.SOME_FAILED
    assert found.stay == {
        "missing": 1,
        "changed since it was classified": 2,
        "replaced by a link, a folder or a special file": 2 + of_b,
    }
    assert rehearsed.stay == found.stay | {"changed since it was classified": 1}  # by its size
    assert found.first["missing"].endswith("/in/a/0.png")
    assert found.count == len(sorted_job.some_files()) - 5 - of_b
    assert (inside / "a/2.png").read_bytes() == b"imAge 2"
    assert len(os.listdir(inside / "bb")) == of_b


def test_images_that_stayed_are_taken_along_when_they_are_as_classified(
    table: Path, out: Path
) -> None:
    away = table.parent / "away"
    (table.parent / "in/a").rename(away)
    assert sort.sort(table, out, Way.MOVE).stay["missing"] == len(os.listdir(away))
    away.rename(table.parent / "in/a")
    assert sort.sort(table, out, Way.MOVE).stay == {}
    assert pictures(table) == {}


def test_an_image_that_was_too_large_to_be_read_stays(tmp_path: Path, out: Path) -> None:
    """Its size is known, and not its content."""
    (tmp_path / "large.png").write_bytes(b"more than five")
    finish(options_of(tmp_path, b"large.png", max_file_bytes=5))
    assert sort.sort(tmp_path / "out.csv", out, Way.COPY).stay == {
        "too_large when classified, content not known": 1
    }


def test_a_named_file_that_is_gone_is_missing_whatever_disk_it_was_on(
    tmp_path: Path, out: Path
) -> None:
    (tmp_path / "1.png").write_bytes(b"one")
    finish(options_of(tmp_path, b"1.png"))
    (tmp_path / "1.png").unlink()
    assert sort.sort(tmp_path / "out.csv", out, Way.LINK).stay == {"missing": 1}


def test_a_sort_that_has_placed_nothing_can_be_done_otherwise(table: Path, out: Path) -> None:
    (table.parent / "in").rename(table.parent / "away")
    assert sort.sort(table, out, Way.COPY).count == 0
    (table.parent / "away").rename(table.parent / "in")
    assert sort.sort(table, out, Way.MOVE).stay == {}
    assert pictures(table) == {}
