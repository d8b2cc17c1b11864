"""A photo version is published only if its graph applies its head, of any size."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from shared.errors import SetupError
from shared.messages.model_card import Card, Preprocessing
from shared.registry import packaged
from tests.support.backbones import small_backbone
from tests.support.backbones.small_backbone import FEATURES, SIDE_PIXELS
from worker.export.head_graph import with_head
from worker.photo_head.linear_head import Head
from worker.runtimes import load_runtime
from worker.training.photo_version import _check_head

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
