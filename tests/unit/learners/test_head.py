"""A photo version is published only if its graph applies its head, of any size."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from shared.errors import SetupError
from shared.messages.model_card import Card, Preprocessing
from shared.messages.replies import DataReport
from shared.messages.training import Train
from shared.registry import packaged
from tests.support.backbones import small_backbone
from tests.support.backbones.short_backbone import architecture
from tests.support.backbones.small_backbone import FEATURES, SIDE_PIXELS
from worker.backbones import backbone_table
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.split import UNDECIDED
from worker.export.head_graph import with_head
from worker.export.precision import Requested
from worker.inference import outlier_detector
from worker.learners.head import _check_head, _choose, _detector, _folds
from worker.photo_head.fit_outlier_detector import fit_outlier_detector
from worker.photo_head.folds import fold_count
from worker.runtimes import load_runtime
from worker.runtimes.heads import Head
from worker.training.photo_folder import PhotoFolder

CLASSES = 3
RNG = np.random.default_rng(8)
IMAGES = RNG.integers(0, 256, (4, SIDE_PIXELS, SIDE_PIXELS, 3), np.uint8)
#: Photos of a fixed camera have features that hardly differ, so the weights are large.
SIZES = (1e-4, 1.0, 1e6)


@pytest.fixture
def card() -> Card:
    return msgspec.structs.replace(
        packaged.card(),
        labels=tuple("abc"),
        preprocessing=Preprocessing(SIDE_PIXELS, SIDE_PIXELS, 3),
        output="logits",
        features=FEATURES,
        second_pass_margin=0.0,
        operating_points=(),
    )


def _head(size: float) -> Head:
    weights = size * np.random.default_rng(9).normal(size=(FEATURES, CLASSES))
    return Head(weights.astype(np.float32), np.full(CLASSES, size, np.float32))


@pytest.mark.parametrize("size", SIZES)
def test_rounding_refuses_no_head(size: float, card: Card) -> None:
    head = _head(size)
    data = with_head(small_backbone.files().fp32, head.weights, head.bias)
    _check_head(load_runtime.load("litert", card, data), head, IMAGES)


@pytest.mark.parametrize("size", SIZES)
def test_a_head_that_differs_by_a_thousandth_is_refused(size: float, card: Card) -> None:
    head = _head(size)
    data = with_head(small_backbone.files().fp32, 1.001 * head.weights, head.bias)
    with pytest.raises(SetupError, match="does not apply its head"):
        _check_head(load_runtime.load("litert", card, data), head, IMAGES)


SCENES, OF_SCENE = 40, 3
WHOLE = backbone_table.find("efficientnet-lite0")
#: Its first features: nothing here depends on their number.
BACKBONE = WHOLE._replace(
    architecture=architecture(WHOLE)._replace(stages=architecture(WHOLE).stages[:3], head=64)
)


def _scenes() -> PhotoFolder:
    """Photos of scenes whose labels are chance: only near-duplicates could tell them."""
    rng, count = np.random.default_rng(3), SCENES * OF_SCENE
    groups, width = np.arange(count) % SCENES, sum(BACKBONE.part_widths)
    scenes = rng.normal(size=(SCENES, width))[groups]
    fp32, int8 = (scenes + 0.01 * rng.normal(size=(count, width)) for _ in range(2))
    digests = rng.integers(0, 256, (count, 32), np.uint8)
    learn = PhotoFeatures(
        [b"%d.png" % number for number in range(count)],
        (rng.random(SCENES) < 0.5).astype(np.int64)[groups],
        np.full(count, UNDECIDED, np.int8),
        digests,
        np.arange(count, dtype=np.uint64),
        fp32.astype(np.float32),
        int8.astype(np.float32),
    )
    spec = Preprocessing(SIDE_PIXELS, SIDE_PIXELS, 3)
    report = DataReport("scenes", (1, 1, 3), ("a", "b"), (1, 1), (0, 0), (0, 0))
    files = small_backbone.files()
    return PhotoFolder("scenes", ("a", "b"), spec, learn, groups, None, files, report)


def test_a_photo_is_not_answered_by_a_head_that_knows_its_near_duplicates(card: Card) -> None:
    fitted, _ = _choose(Train("x", "photo-head", precision="fp32"), _scenes(), card)
    assert fitted.out_of_fold.accuracy < 0.75


@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_the_folds_of_all_precisions_are_counted_together(precision: Requested, card: Card) -> None:
    reported, last_after = list[tuple[int, int]](), list[int]()
    folder = _scenes()
    _choose(
        Train("x", "photo-head", precision=precision),
        folder,
        card,
        lambda *one: reported.append(one),
        lambda: last_after.append(len(reported)),
    )
    methods, precisions = 2, 1 if precision == "fp32" else 2
    own = fold_count(len(folder.learn.labels)) * methods
    assert reported == [(n, own * precisions) for n in range(1, own * precisions + 1)]
    # The fit to all photos is a part of its own.
    assert last_after == [own * (n + 1) for n in range(precisions)]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_detector_knows_the_features_that_are_served(precision: str, card: Card) -> None:
    folder = _scenes()
    card = msgspec.structs.replace(card, precision=precision)
    features = {"fp32": folder.learn.fp32, "int8": folder.learn.int8}[precision]
    expected = fit_outlier_detector(features, BACKBONE.part_widths, _folds(folder)).detector
    assert _detector(BACKBONE, folder, card) == outlier_detector.encode(expected)
