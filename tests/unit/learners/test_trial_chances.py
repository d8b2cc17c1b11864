"""Trials follow a head only where they could be shown to be better."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from shared import recipes
from shared.errors import SetupError
from shared.messages.model_card import Preprocessing
from shared.messages.replies import DataReport
from worker.backbones import backbone_table
from worker.backbones.photo_features import BackboneFiles, Features, PhotoFeatures
from worker.datasets.split import HELDOUT, TRAINING, UNDECIDED
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.learners.photo_network import held_out
from worker.learners.trial_chances import (
    FEWEST_FROM_SCRATCH,
    FEWEST_SIMPLE,
    FINE,
    SCRATCH,
    chanceless,
)
from worker.photo_head.folds import FOLDS
from worker.training.photo_folder import PhotoFolder

BACKBONE = backbone_table.find("efficientnet-lite0")
LABELS = ("cat", "dog")
HELD = 10  #: photos of validation/


def folder_of(photos_of_class: int, informative: str) -> PhotoFolder:
    """Photos whose features tell the classes apart, of the early blocks or of the last layer."""
    rng, count = np.random.default_rng(4), 2 * photos_of_class
    labels = np.arange(count) % 2
    features: Features = rng.normal(size=(count, BACKBONE.features)).astype(np.float32)
    part = slice(0, 60) if informative == "early" else slice(-60, None)
    features[:, part] += labels[:, None]
    parts = np.full(count, TRAINING, np.int8)
    parts[:HELD] = HELDOUT
    digests = rng.integers(0, 256, (count, 32), np.uint8)
    hashes = np.arange(count, dtype=np.uint64)
    learn = PhotoFeatures([b""] * count, labels, parts, digests, hashes, features, features)
    blank = DataReport("photos", (1, 1, 3), LABELS, (), (), (), (), 0, ())
    spec, files = Preprocessing(224, 224, 3), BackboneFiles(b"", b"")
    return PhotoFolder("photos", LABELS, spec, learn, np.arange(count), None, files, blank)


def answers_of(folder: PhotoFolder, wrong: int) -> HeldoutAnswers:
    """Of a head that has so many of validation/ wrong, and all other photos."""
    labels = folder.learn.labels
    answered: npt.NDArray[np.int64] = 1 - labels
    answered[wrong:HELD] = labels[wrong:HELD]
    logits = np.eye(2, dtype=np.float32)[answered]
    return HeldoutAnswers(folder.learn.contents, labels, logits, folder.learn.digests)


def wrong_in(answers: HeldoutAnswers) -> int:
    return int((answers.logits.argmax(1) != answers.labels).sum())


def test_no_network_follows_a_head_that_is_right_on_the_photos_of_the_fold() -> None:
    """A larger head is compared on all photos, of which this one has most wrong."""
    folder = folder_of(FEWEST_FROM_SCRATCH, "early")
    reasons = chanceless(BACKBONE, folder, answers_of(folder, 2), lambda some: wrong_in(some) > 2)
    assert set(reasons) == {FINE, SCRATCH}
    assert f"2 of the {HELD} photos held out wrong" in reasons[FINE]


def test_nothing_follows_a_head_that_cannot_be_beaten() -> None:
    folder = folder_of(FEWEST_FROM_SCRATCH, "early")
    reasons = chanceless(BACKBONE, folder, answers_of(folder, 2), lambda some: False)
    several = "photo-together"  # it trains nothing, and follows no head alone
    assert {*reasons, several} == set(recipes.find("photo").trials)


def test_no_network_follows_where_no_photo_is_held_out() -> None:
    """All photos are in four bursts, none of which is in the fold."""
    folder = folder_of(FEWEST_FROM_SCRATCH, "early")
    count = len(folder.learn.labels)
    numbers = np.arange(count, dtype="<u8") * FOLDS + 1 + np.arange(count, dtype="<u8") // 2 % 2
    digests = np.zeros((count, 32), np.uint8)
    digests[:, :8] = numbers.view(np.uint8).reshape(-1, 8)
    learn = folder.learn._replace(parts=np.full(count, UNDECIDED, np.int8), digests=digests)
    bursts = folder._replace(learn=learn, groups=np.arange(count) % 4)
    with pytest.raises(SetupError, match="none of the 200 photos"):
        held_out(bursts)
    answers = answers_of(bursts, 10)
    assert set(chanceless(BACKBONE, bursts, answers, lambda some: True)) == {FINE, SCRATCH}


@pytest.mark.parametrize(
    ("photos_of_class", "informative", "follows"),
    [
        (FEWEST_FROM_SCRATCH, "late", True),
        (FEWEST_FROM_SCRATCH - 1, "late", False),
        (FEWEST_FROM_SCRATCH - 1, "early", True),
        (FEWEST_SIMPLE - 1, "early", False),
    ],
)
def test_a_network_from_scratch_follows_where_photos_suffice_for_their_kind(
    photos_of_class: int, informative: str, follows: bool
) -> None:
    folder = folder_of(photos_of_class, informative)
    reasons = chanceless(BACKBONE, folder, answers_of(folder, 3), lambda some: True)
    assert FINE not in reasons
    assert (SCRATCH not in reasons) == follows
    if not follows:
        assert f"{2 * photos_of_class:,} photos are too few" in reasons[SCRATCH]
