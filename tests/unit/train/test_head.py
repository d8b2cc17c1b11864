"""The head of photos is measured on photos that it did not learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared import recipes
from shared.messages.replies import DataReport
from shared.messages.training import Train
from worker.backbones import backbone_table
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.examples import UNDECIDED
from worker.heads import out_of_fold
from worker.heads.near_duplicates import fold_count
from worker.train import head
from worker.train.head import HeadOfPhotos
from worker.train.learner import Observer, Task
from worker.train.photo_folder import PhotoFolder

SCENES, OF_SCENE = 40, 3
LITE0, LITE2 = (backbone_table.BACKBONES[f"efficientnet-lite{n}"] for n in (0, 2))


class Reports(Observer):
    """Records the folds, and how many were reported before the last part."""

    def __init__(self) -> None:
        self.folds: list[tuple[int, int]] = []
        self.parts: list[tuple[str, int]] = []

    def steps(self, done: int, total: int) -> None:
        self.folds.append((done, total))

    def part(self, name: str, done: int = 0, total: int = 0) -> None:
        self.parts.append((name, len(self.folds)))


@pytest.fixture
def scenes() -> PhotoFolder:
    """Photos of scenes whose labels are chance: only near-duplicates could tell them."""
    rng, count = np.random.default_rng(3), SCENES * OF_SCENE
    groups, width = np.arange(count) % SCENES, LITE0.features
    features = rng.normal(size=(SCENES, width))[groups] + 0.01 * rng.normal(size=(count, width))
    learn = PhotoFeatures(
        [b"%d.png" % number for number in range(count)],
        (rng.random(SCENES) < 0.5).astype(np.int64)[groups],
        np.full(count, UNDECIDED, np.int8),
        rng.integers(0, 256, (count, 32), np.uint8),
        np.arange(count, dtype=np.uint64),
        [features.astype(np.float32)],
    )
    report = DataReport("scenes", (1, 1, 3), ("a", "b"), (1, 1), (0, 0), (0, 0))
    return PhotoFolder("scenes", ("a", "b"), backbone_table.SPEC, learn, groups, None, report)


def _learner(folder: PhotoFolder, observer: Observer) -> HeadOfPhotos:
    work, recipe = Train("x", "photo-head"), recipes.find("photo-head")
    return HeadOfPhotos(
        Task(work, recipe, store=Path(), observer=observer),
        folder,
        [backbone_table.shipped(row) for row in (LITE0, LITE2)[: len(folder.learn.looks)]],
    )


def test_a_photo_is_not_answered_by_a_head_that_knows_its_near_duplicates(
    scenes: PhotoFolder,
) -> None:
    logits = _learner(scenes, Observer()).fit().answers.logits
    assert (logits.argmax(1) == scenes.learn.labels).mean() < 0.75


def test_the_folds_of_all_methods_are_counted_together(scenes: PhotoFolder) -> None:
    reports, methods = Reports(), 2
    _learner(scenes, reports).fit()
    folds = methods * fold_count(SCENES * OF_SCENE)
    assert reports.folds == [(number, folds) for number in range(1, folds + 1)]
    assert reports.parts == [(head.FITTING_ALL, folds)]


def test_heads_of_two_looks_answer_out_of_fold_as_they_are_served(scenes: PhotoFolder) -> None:
    """The second look tells the classes apart, the first only near-duplicates."""
    rng, labels = np.random.default_rng(5), scenes.learn.labels
    telling = rng.normal(size=(len(labels), LITE2.features)) + 0.5 * labels[:, None]
    looks = [scenes.learn.looks[0], telling.astype(np.float32)]
    learn = scenes.learn._replace(looks=looks, mirrored=looks[0])
    folder = scenes._replace(learn=learn, test=learn)
    reports = Reports()
    alone = _learner(scenes, Observer()).fit()
    fitted = _learner(folder, reports).fit()
    assert alone.answers.margin == 0
    assert 0 < fitted.answers.share <= 1
    right = [(each.answers.logits.argmax(1) == labels).mean() for each in (alone, fitted)]
    assert right[1] > right[0] + 0.2
    served = out_of_fold.served_looks(fitted, looks)
    assert (served.argmax(1) == labels).mean() > 0.95
    folds = 2 * 2 * fold_count(len(labels))
    assert reports.folds[-1] == (folds, folds)
    both, one = (_learner(each, Observer()).build().card for each in (folder, scenes))
    assert both.metrics.test_accuracy is not None
    assert both.metrics.test_accuracy > 0.95
    assert one.metrics.test_accuracy is None
    assert [LITE2.name in card.notes for card in (both, one)] == [True, False]
