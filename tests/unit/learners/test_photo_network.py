"""What a trial learns from: no photo that it is measured on, and no near-duplicate of one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from shared.errors import SetupError
from shared.labels.labelled_files import LabelledFile
from shared.messages.model_card import Preprocessing
from shared.messages.replies import DataReport
from shared.messages.training import Train
from shared.recipes import RECIPES
from tests.support.images import shapes
from worker.backbones.photo_features import BackboneFiles, PhotoFeatures
from worker.datasets.split import HELDOUT, TRAINING, UNDECIDED
from worker.learners import photo_network
from worker.learners.learner import Observer, Task
from worker.learners.photo_network import NetworkOfPhotos
from worker.training.photo_folder import PhotoFolder

PACE_IMAGES = 64
LABELS = ("circle", "square")
PHOTOS_OF_CLASS = 10
SCRATCH = RECIPES["photo-scratch"]
#: Its network is compiled in a third of the time.
SMALL = msgspec.structs.replace(SCRATCH, size=(48, 48, 3), widths=(8, 16), blocks=(1, 1))
WORK = Train("shapes", SCRATCH.name)


class Stop(Exception):
    """Ends a trial before its first epoch."""


def folder_of(root: Path, parts: list[int], groups: list[int]) -> PhotoFolder:
    """Drawn photos with these parts and groups of near-duplicates, the same for both classes."""
    for label in LABELS:
        shapes.write(root, label, PHOTOS_OF_CLASS)
    paths = [path for label in LABELS for path in sorted((root / label).rglob("*.*"))]
    digests = [np.frombuffer(hashlib.sha256(one.read_bytes()).digest(), np.uint8) for one in paths]
    none = np.zeros((len(paths), 0), np.float32)
    learn = PhotoFeatures(
        [bytes(path) for path in paths],
        np.repeat(np.arange(2), PHOTOS_OF_CLASS),
        np.array(2 * parts, np.int8),
        np.stack(digests),
        np.arange(len(paths), dtype=np.uint64),
        none,
        none,
    )
    alike = np.array([*groups, *(PHOTOS_OF_CLASS + group for group in groups)])
    blank = DataReport("photos", (1, 1, 3), LABELS, (), (), (), (), 0, ())
    spec, files = Preprocessing(224, 224, 3), BackboneFiles(b"", b"")
    return PhotoFolder("photos", LABELS, spec, learn, alike, None, files, blank)


def learned_from(folder: PhotoFolder, scratch: Path) -> int:
    """The number of photos that the training of this folder starts with."""
    counts: list[int] = []

    class Counts(Observer):
        def planned(self, images: int, epochs: int) -> None:
            counts.append(images)
            raise Stop

    with pytest.raises(Stop):
        NetworkOfPhotos(Task(WORK, SCRATCH, scratch / "state", observer=Counts()), folder).build()
    [count] = counts
    height, width, channels = SCRATCH.size or (0, 0, 0)
    sizes = {path.stat().st_size for path in scratch.glob("pixels-*")}
    assert count * height * width * channels in sizes
    return count


def test_photos_are_decoded_only_if_an_epoch_fits(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", [UNDECIDED] * 10, list(range(10)))
    command = "hangtag train '/photos of cats' --name shapes --recipe photo-scratch"
    work = Train("shapes", SCRATCH.name, "/photos of cats", minutes=1e-5)
    label = LabelledFile("0" * 64, 1, "circle", b"")
    task = Task(work, SMALL, tmp_path / "scratch/state", corrections=[label])
    with pytest.raises(SetupError, match="one epoch of") as error:
        NetworkOfPhotos(task, folder).build()
    assert f"{command} --minutes " in str(error.value)
    assert str(error.value).endswith(", and the same --corrections")
    [decoded] = (tmp_path / "scratch").glob("pixels-*")  # those for measuring
    assert decoded.stat().st_size <= PACE_IMAGES * 48 * 48 * 3


def test_near_duplicates_of_photos_in_validation_are_not_learned_from(tmp_path: Path) -> None:
    """A burst of 4, of which 2 are in validation/; 2 other scenes of 1 and of 5 photos."""
    parts = [TRAINING, TRAINING, HELDOUT, HELDOUT, HELDOUT, *[TRAINING] * 5]
    folder = folder_of(tmp_path / "photos", parts, [0, 0, 0, 0, 1, 2, 2, 2, 2, 2])
    held = photo_network.held_out(folder)
    assert held.sum() == 2 * 3
    learned = photo_network.learned(folder, held)
    assert not set(folder.groups[learned]) & set(folder.groups[held])
    assert learned_from(folder, tmp_path / "scratch") == learned.sum() == 2 * 5


def test_without_validation_all_but_one_fold_is_learned_from(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", [UNDECIDED] * 10, [0, 0, 1, 1, 2, 3, 4, 5, 6, 7])
    held = photo_network.held_out(folder)
    learned = photo_network.learned(folder, held)
    np.testing.assert_array_equal(learned, ~held)
    assert not set(folder.groups[learned]) & set(folder.groups[held])


def test_a_class_of_near_duplicates_only_is_learned_from(tmp_path: Path) -> None:
    """As with folds: a network has to know every class, and the report names this one."""
    folder = folder_of(tmp_path / "photos", [TRAINING] * 7 + [HELDOUT] * 3, [0] * 10)
    held = photo_network.held_out(folder)
    np.testing.assert_array_equal(photo_network.learned(folder, held), ~held)


def test_a_class_that_validation_leaves_without_photos_is_an_error(tmp_path: Path) -> None:
    parts = [TRAINING] * 5 + [HELDOUT] * 5
    folder = folder_of(tmp_path / "photos", parts, [0] * 8 + [1, 2])
    with pytest.raises(SetupError, match="circle but near-duplicates of those in validation/"):
        photo_network.learned(folder, photo_network.held_out(folder))
