"""What people have changed in a sorted folder is kept and reported when it is undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from producer.sort_log.log import Way
from producer.sorting import sort
from shared.errors import Exit, UsageError
from shared.labels.class_folders import SORT_LOG
from tests.support.jobs import sorted_job
from tests.support.jobs.sorted_job import sorted_tree, tree

WAYS = list(Way)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "sorted"


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path, {"a.png": b"one"})


@pytest.mark.parametrize("way", WAYS)
def test_an_image_that_was_edited_is_not_lost(one: Path, out: Path, way: Way) -> None:
    sort.sort(one, out, way)
    (place,) = out.rglob("*.png")
    place.write_bytes(b"edited")
    found = sort.undo(out)
    everything = tree(one.parent).values()
    assert b"edited" in everything
    assert found.stay == ({"changed since it was copied": 1} if way is Way.COPY else {})
    if way is Way.COPY:
        assert (one.parent / "in/a.png").read_bytes() == b"one"
        assert (out / SORT_LOG).exists()


@pytest.mark.parametrize("way", [Way.COPY, Way.LINK])
def test_the_last_copy_is_kept(one: Path, out: Path, way: Way) -> None:
    sort.sort(one, out, way)
    (one.parent / "in/a.png").unlink()
    found = sort.undo(out)
    assert (found.count, found.exit_code) == (0, Exit.SOME_FAILED)
    assert list(sorted_tree(out).values()) == [1]


def test_a_new_file_with_the_former_name_is_kept(one: Path, out: Path) -> None:
    sort.sort(one, out, Way.MOVE)
    (one.parent / "in/a.png").write_bytes(b"new")
    assert sort.undo(out).stay == {"another file has its former name": 1}
    (one.parent / "in/a.png").unlink()
    assert sort.undo(out).stay == {}
    assert (one.parent / "in/a.png").read_bytes() == b"one"


def test_a_removed_folder_is_made_again(one: Path, out: Path) -> None:
    sort.sort(one, out, Way.MOVE)
    (one.parent / "in").rmdir()
    sort.undo(out)
    assert (one.parent / "in/a.png").read_bytes() == b"one"


def test_empty_folders_that_were_there_before_stay(one: Path, out: Path) -> None:
    own = set(sort.rehearse(one, out, Way.COPY).folders)
    for label in own:
        (out / label).mkdir(parents=True)
    sort.sort(one, out, Way.COPY)
    sort.undo(out)
    assert {path.name for path in out.iterdir()} == own


def test_an_image_that_was_taken_away_is_reported(one: Path, out: Path) -> None:
    sort.sort(one, out, Way.MOVE)
    (place,) = out.rglob("*.png")
    place.rename(one.parent / "mine.png")
    assert sort.undo(out).stay == {"no longer in the folder": 1}


def test_a_folder_without_a_log_is_refused(out: Path) -> None:
    out.mkdir()
    with pytest.raises(UsageError, match="nothing was sorted into it"):
        sort.undo(out)
