"""A data set is described from its folder: the counts of a loop, the images of the training."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.errors import SetupError, UsageError
from worker.datasets import fashion_mnist, sample
from worker.datasets.class_folder import count_files
from worker.datasets.folder_layout import ClassFolderWalk
from worker.datasets.split import TEST, TRAINING, UNDECIDED
from worker.decoding.decode import decode
from worker.handlers import describe_dataset
from worker.handlers.describe_dataset import SPEC

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


def test_splits_are_counted_apart(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("test", 2)):
        for name in COLOURS:
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(count):
                (tmp_path / part / name / f"{i}.png").touch()
    counts = count_files(ClassFolderWalk(tmp_path), ignore_progress)
    assert counts == {
        (label, part): n for label in range(3) for part, n in ((TRAINING, 3), (TEST, 2))
    }


def test_a_sample_holds_exactly_the_files_at_its_places(folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*.png"))
    places = [1, 9, 20]
    found = sample.sample(ClassFolderWalk(folder), places, SPEC)
    for image, place in zip(found.examples.images, places, strict=True):
        assert np.array_equal(image, decode(paths[place].read_bytes(), SPEC))
    labels = [sorted(COLOURS).index(paths[place].parent.name) for place in places]
    assert found.examples.labels.tolist() == labels


def test_a_file_that_is_no_image_is_named_and_not_displayed(folder: Path) -> None:
    found = sample.sample(ClassFolderWalk(folder), [0, 1], SPEC)
    assert len(found.examples.images) == 1
    assert [bad.path for bad in found.bad] == [bytes(folder / BROKEN)]


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


@pytest.mark.parametrize("index", [-1, 27, 10**9])
def test_an_index_out_of_range_is_a_usage_error(folder: Path, tmp_path: Path, index: int) -> None:
    with pytest.raises(UsageError, match="from 0 to 26"):
        describe_dataset.folder(folder, index, tmp_path, ignore_progress)


def test_a_folder_without_images_is_a_setup_error(tmp_path: Path) -> None:
    (tmp_path / "empty/class").mkdir(parents=True)
    with pytest.raises(SetupError, match="no images"):
        describe_dataset.folder(tmp_path / "empty", 0, tmp_path, ignore_progress)


def test_stopping_while_files_are_counted_stops(folder: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        describe_dataset.folder(folder, 0, tmp_path, stop)


def test_fashion_mnist_is_displayed_as_in_the_tutorial(tmp_path: Path) -> None:
    try:
        fashion_mnist.load("train", download=False)
    except SetupError:
        pytest.skip("Fashion-MNIST is not on this machine")
    report, files = describe_dataset.fashion(0, tmp_path)
    assert (report.shape, report.labels) == ((28, 28, 1), fashion_mnist.LABELS)
    assert report.training == (5500,) * 10
    assert report.heldout == (500,) * 10
    assert report.test == (1000,) * 10
    assert sorted(files) == ["grid.png", "image.png"]
