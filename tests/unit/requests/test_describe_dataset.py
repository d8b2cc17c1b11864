"""A data set is described from its folder: the counts of a loop, the images of the training."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.errors import SetupError
from worker.datasets.class_folder import count_files
from worker.datasets.examples import UNDECIDED
from worker.datasets.folder_layout import ClassFolderWalk
from worker.requests import describe_dataset

COLOURS = {"amber": (255, 191, 0), "blue": (0, 0, 255), "cyan": (0, 255, 255)}
BROKEN = "amber/00.png"  #: the first of all files


def ignore_progress(done: int, total: int) -> None:
    """A callback for the progress."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three colours, 8 to 10 images each, and a file that is no image."""
    root = tmp_path / "colours"
    for extra, (name, colour) in enumerate(COLOURS.items()):
        (root / name).mkdir(parents=True)
        for i in range(8 + extra):
            shade = tuple(max(0, value - 9 * i) for value in colour)
            Image.new("RGB", (40 + i, 30), shade).save(root / name / f"{i:02}.png")
    (root / BROKEN).write_text("no picture")
    return root


def test_the_counts_of_a_walk_are_those_of_the_folders(folder: Path) -> None:
    counts = count_files(ClassFolderWalk(folder), ignore_progress)
    numbers = [len(list((folder / name).iterdir())) for name in COLOURS]
    assert counts == {(label, UNDECIDED): number for label, number in enumerate(numbers)}


def test_a_folder_is_reported_with_its_unreadable_files(folder: Path, tmp_path: Path) -> None:
    report, files = describe_dataset.folder(folder, 0, tmp_path, ignore_progress)
    assert report.labels == tuple(COLOURS)
    in_all = np.sum([report.training, report.heldout, report.test], axis=0)
    assert in_all.tolist() == [7, 9, 10]
    assert (report.unreadable_count, report.unreadable[0].split(":")[0]) == (1, BROKEN)
    assert sorted(files) == ["grid.png", "image.png"]
    assert all(Image.open(io.BytesIO(data)).format == "PNG" for data in files.values())


def test_a_large_folder_is_counted_and_reported_as_not_opened(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describe_dataset, "CHECKED_FILES", 10)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    report, files = describe_dataset.folder(folder, 3, scratch, ignore_progress)
    assert sum(report.training) == 27
    assert any("not all were opened" in note for note in report.notes)
    assert len(files) == 2
    assert not list(scratch.iterdir())


def test_a_folder_that_a_training_refuses_is_displayed_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "few/lonely").mkdir(parents=True)
    Image.new("RGB", (30, 30)).save(tmp_path / "few/lonely/1.png")
    report, files = describe_dataset.folder(tmp_path / "few", 0, tmp_path, ignore_progress)
    assert report.training == (1,)
    assert report.notes[0].startswith("it cannot be trained on: ")
    assert len(files) == 2


def test_a_folder_without_images_is_a_setup_error(tmp_path: Path) -> None:
    (tmp_path / "empty/class").mkdir(parents=True)
    with pytest.raises(SetupError, match="no images"):
        describe_dataset.folder(tmp_path / "empty", 0, tmp_path, ignore_progress)
