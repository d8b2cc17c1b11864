"""Files and folders are replaced while they are sorted: nothing is lost, or touched elsewhere."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from producer.sort_log.log import Way
from producer.sorting import folders, sort, transfer
from producer.sorting.folders import CHANGED, NOT_REGULAR
from shared import failpoints
from shared.errors import SetupError
from tests.support.jobs import sorted_job
from tests.support.jobs.sorted_job import tree


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path, {"a/1.png": b"one"})


@pytest.fixture
def picture(table: Path) -> Path:
    return table.parent / "in/a/1.png"


def at(monkeypatch: pytest.MonkeyPatch, point: str, act: Callable[[], object]) -> None:
    """Do something once, at a point."""
    done: list[object] = []

    def on_pass(name: str) -> None:
        if name == point and not done:
            done.append(name)
            act()

    monkeypatch.setattr(failpoints, "_on_pass", on_pass)


def after_check(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something between the check of a file and what is done with it."""
    check = folders.check

    def checked(*given: object) -> None:
        check(*given)  # type: ignore[arg-type]
        act()

    monkeypatch.setattr(transfer, "check", checked)


def replaced(picture: Path) -> Callable[[], object]:
    def act() -> None:
        (picture.parent / "new").write_bytes(b"new")
        (picture.parent / "new").replace(picture)

    return act


def edited(picture: Path) -> Callable[[], object]:
    return lambda: picture.write_bytes(b"new")


@pytest.mark.parametrize("change", [replaced, edited])
@pytest.mark.parametrize("way", list(Way))
def test_a_file_that_changes_after_its_check_stays(
    table: Path,
    picture: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: Way,
    change: Callable[[Path], Callable[[], object]],
) -> None:
    after_check(monkeypatch, change(picture))
    out = table.parent / "sorted"
    found = sort.sort(table, out, way)
    assert picture.read_bytes() == b"new"
    if (way, change) == (Way.COPY, replaced):  # the copy is of the file that was checked
        assert list(tree(out).values()) == [b"one"]
    else:
        assert found.stay == {CHANGED: 1}
        assert tree(out) == {}


def test_a_folder_that_becomes_a_link_leads_nowhere(
    table: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link leads to a file with the same content, which must stay."""
    other = table.parent / "other"
    other.mkdir()
    (other / "1.png").write_bytes(b"one")

    def swap() -> None:
        shutil.move(picture.parent, table.parent / "away")
        picture.parent.symlink_to(other)

    at(monkeypatch, "sort.logged", swap)
    found = sort.sort(table, table.parent / "sorted", Way.MOVE)
    assert found.stay == {NOT_REGULAR: 1}
    assert (other / "1.png").read_bytes() == b"one"
    assert (table.parent / "away/1.png").read_bytes() == b"one"


def test_a_folder_that_is_replaced_after_it_was_opened_leads_nowhere(
    table: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = table.parent / "other"
    other.mkdir()
    (other / "1.png").write_bytes(b"one")

    def swap() -> None:
        if not picture.parent.is_symlink():
            shutil.move(picture.parent, table.parent / "away")
            picture.parent.symlink_to(other)

    after_check(monkeypatch, swap)
    assert sort.sort(table, table.parent / "sorted", Way.MOVE).count == 1
    assert (other / "1.png").read_bytes() == b"one"
    assert os.listdir(table.parent / "away") == []


@pytest.mark.parametrize("way", list(Way))
def test_a_file_that_takes_the_place_first_is_left_alone(
    table: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    out = table.parent / "sorted"

    def take() -> None:
        for folder in out.iterdir():
            if folder.is_dir() and not (folder / "1.png").exists():
                (folder / "1.png").write_bytes(b"foreign")

    after_check(monkeypatch, take)
    sort.sort(table, out, way)
    assert sorted(tree(out).values()) == [b"foreign", b"one"]
    sort.undo(out)
    assert list(tree(out).values()) == [b"foreign"]
    assert tree(table.parent / "in") == {"a/1.png": b"one"}


@pytest.fixture
def elsewhere(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with files of the same names as the images."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for path in (table.parent / "in").rglob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("way", Way)
def test_files_of_the_current_folder_are_no_images(
    table: Path, tmp_path: Path, elsewhere: Path, way: Way
) -> None:
    """Also where a folder of a label is not there yet, or was removed."""
    before, out = tree(elsewhere), tmp_path / "sorted"
    sort.sort(table, out, way)
    assert not [name for name in tree(out) if name.endswith("-2.png")]
    for folder in out.iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    sort.undo(out)
    assert tree(elsewhere) == before


def failing(error: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    return fail


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOTSUP])
def test_a_file_that_cannot_be_moved_is_not_copied(
    table: Path, picture: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """Only between two disks."""
    out = table.parent / "sorted"
    with monkeypatch.context() as patch:
        patch.setattr(transfer, "move", failing(error))
        assert sort.sort(table, out, Way.MOVE).stay == {os.strerror(error).lower(): 1}
    assert sort.sort(table, out, Way.MOVE).count == 1
    monkeypatch.setattr(transfer, "move", failing(error))
    assert sort.undo(out).stay == {os.strerror(error).lower(): 1}
    assert not picture.exists()


@pytest.mark.parametrize("way", [Way.COPY, Way.LINK])
def test_an_error_that_the_next_file_meets_ends_the_command(
    table: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    name = "copy" if way is Way.COPY else "make_link"
    monkeypatch.setattr(transfer, name, failing(errno.ENOSPC))
    with pytest.raises(SetupError, match=r"1\.png: No space left on device; no file is lost"):
        sort.sort(table, table.parent / "sorted", way)


def test_a_copy_that_was_edited_meanwhile_stays_beside_its_changed_source(
    table: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two disks; otherwise nobody would have the edited content."""
    out = table.parent / "sorted"

    def edit() -> None:
        picture.write_bytes(b"new")
        for path in out.rglob("1.png"):
            path.write_bytes(b"edited")

    monkeypatch.setattr(transfer, "move", lambda *_: False)  # as between two disks
    at(monkeypatch, "sort.copied", edit)
    assert sort.sort(table, out, Way.MOVE).stay == {CHANGED: 1}
    assert (picture.read_bytes(), list(tree(out).values())) == (b"new", [b"edited"])


def test_an_image_that_is_edited_while_it_returns_is_back(
    table: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = table.parent / "sorted"
    sort.sort(table, out, Way.MOVE)
    at(monkeypatch, "sort.moved", lambda: picture.write_bytes(b"edited"))
    assert sort.undo(out).stay == {}
    assert picture.read_bytes() == b"edited"
    assert not out.exists()
