"""Corrected files have the label that a person gave them, wherever they lie now."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.labels.label_line import LabelLine
from tests.support.jobs.decided import file_of
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.examples import UNDECIDED
from worker.datasets.folder_layout import LOST


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def labelled(root: Path, *corrections: LabelLine) -> dict[str, tuple[str, int]]:
    """Label and part by the path below the parent of `root`."""
    walk = LabelledData(str(root), corrections).walk()
    return {
        str(Path(item.path.decode()).relative_to(root.parent)): (walk.labels[item.label], item.part)
        for item in walk.items()
    }


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write(tmp_path / "photos/cat/1.png", b"one")
    write(tmp_path / "photos/cat/2.png", b"two")
    write(tmp_path / "photos/dog/3.png", b"three")
    return tmp_path / "photos"


def test_a_file_in_another_class_folder_is_relabelled(photos: Path) -> None:
    assert labelled(photos, file_of(b"two", "dog")) == {
        "photos/cat/1.png": ("cat", UNDECIDED),
        "photos/cat/2.png": ("dog", UNDECIDED),
        "photos/dog/3.png": ("dog", UNDECIDED),
    }


def test_every_copy_has_the_correction(photos: Path) -> None:
    write(photos / "dog/copy.png", b"two")
    found = labelled(photos, file_of(b"two", "dog"))
    assert found["photos/cat/2.png"] == found["photos/dog/copy.png"] == ("dog", UNDECIDED)


def test_a_file_in_no_class_folder_is_added_once(photos: Path) -> None:
    outside = write(photos.parent / "inbox/4.jpg", b"four")
    inside = file_of(b"one", "cat", photos / "cat/1.png")
    found = labelled(photos, file_of(b"four", "dog", outside), inside)
    assert found["inbox/4.jpg"] == ("dog", UNDECIDED)
    walk = LabelledData(str(photos), [file_of(b"four", "dog", outside), inside]).walk()
    assert len(list(walk.items())) == len(found) == 4


def test_a_file_with_other_content_is_not_the_corrected_one(photos: Path) -> None:
    write(photos.parent / "inbox/4.jpg", b"five")
    walk = LabelledData(
        str(photos), [file_of(b"four", "dog", photos.parent / "inbox/4.jpg")]
    ).walk()
    assert [item.path for item in walk.items() if b"inbox" in item.path] == []
    assert walk.skipped[LOST] == 1
