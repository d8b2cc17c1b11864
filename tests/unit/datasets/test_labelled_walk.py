"""A training from labels alone learns from the labelled files, wherever they lie now, and takes no
folder's name for a class."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from shared.errors import SetupError
from shared.labels.label_line import LabelLine
from shared.labels.submitted_lines import encode_lines
from shared.messages.helpers import FoldersQuestion
from tests.support.jobs.decided import file_of
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.folder_layout import LOST, RARE
from worker.helpers.check_class_folders import verdict


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for name in ("2024/a.png", "2024/b.png", "2025/summer/c.png", "unknown/d.png", "train/e.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def found(root: Path, *files: LabelLine) -> dict[str, str]:
    """Labels by the paths below the parent of `root`."""
    walk = LabelledData(str(root), files, only=True).walk()
    items = list(walk.items())
    return {
        str(Path(item.path.decode()).relative_to(root.parent)): walk.labels[item.label]
        for item in items
    }


def test_only_labelled_files_are_learned_from_and_folders_are_no_classes(photos: Path) -> None:
    files = (file_of(b"2024/a.png", "cat"), file_of(b"unknown/d.png", "a/b"))
    assert found(photos, *files) == {"photos/2024/a.png": "cat", "photos/unknown/d.png": "a/b"}


def test_files_that_moved_and_copies_are_found_by_their_content(photos: Path) -> None:
    file = file_of(b"2024/a.png", "cat")
    (photos / "2024/a.png").rename(photos / "2025/renamed.png")
    (photos / "copy.png").write_bytes(b"2024/a.png")
    assert found(photos, file) == {"photos/2025/renamed.png": "cat", "photos/copy.png": "cat"}


def test_a_file_elsewhere_is_found_by_its_path_and_a_lost_one_is_counted(
    photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "f.png").write_bytes(b"elsewhere")
    files = [file_of(b"elsewhere", "cat", tmp_path / "f.png"), file_of(b"gone", "dog")]
    walk = LabelledData(str(photos), files, only=True).walk()
    assert [item.path for item in walk.items()] == [bytes(tmp_path / "f.png")]
    assert walk.skipped[LOST] == 1


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({}, "none of the labelled images is under .*; name the folder that was labelled"),
        ({"2024/a.png": "cat"}, "has one class, cat; .* another label with hangtag label"),
        (
            {"2024/a.png": "cat", "2024/b.png": "dog"},
            "class cat has 1 image .* more images this label with hangtag label",
        ),
        (
            dict.fromkeys(("2024/a.png", "2024/b.png", "2025/summer/c.png", "train/e.png"), "cat")
            | {"unknown/d.png": "dog"},
            "class dog has 1 image .* more images this label with hangtag label",
        ),
    ],
)
def test_too_few_labels_are_refused_before_anything_is_decoded(
    photos: Path, labels: dict[str, str], why: str
) -> None:
    files = [file_of(name.encode(), label) for name, label in labels.items()]
    files = files or [file_of(b"gone", "cat")]
    question = FoldersQuestion(str(photos), "train", 0, encode_lines(files), labelled_only=True)
    refused = verdict(question)
    with pytest.raises(SetupError, match=why):
        raise SetupError(refused.error)


@pytest.mark.parametrize(("rare", "skipped"), [(3, 3), (4, 0)])
def test_a_label_with_too_few_images_is_no_class_where_two_others_have_enough(
    photos: Path, rare: int, skipped: int
) -> None:
    contents = [f"{label}{number}" for label in ("cat", "dog") for number in range(4)]
    contents += [f"hat{number}" for number in range(rare)]
    for content in contents:
        (photos / f"{content}.png").write_bytes(content.encode())
    files = [file_of(content.encode(), content[:3]) for content in contents]
    data = LabelledData(str(photos), files, only=True)
    assert len(data.learned) == len(files) - skipped
    assert data._replace(only=False).learned == files
    walk = data.walk()
    assert Counter(walk.labels[item.label] for item in walk.items()) == Counter(
        cat=4, dog=4, hat=rare - skipped
    )
    assert walk.skipped[RARE] == skipped
    assert walk.skipped[LOST] == 0
    hats = {str(photos / f"hat{number}.png").encode() for number in range(skipped)}
    assert set(walk.set_aside.values()) == hats  # a later training may learn from them
    question = FoldersQuestion(str(photos), "train", 0, encode_lines(files), labelled_only=True)
    assert verdict(question).error == ""


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="missing: No such file"):
        found(tmp_path / "missing", file_of(b"a", "cat"))
