"""A head behind a backbone: both files compute its logits, and return the features beside them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import tensorflow as tf

from shared.errors import SetupError
from shared.messages.model_card import Card, Preprocessing
from shared.registry import packaged
from tests.support.backbones import small_backbone
from tests.support.backbones.small_backbone import FEATURES, SIDE_PIXELS
from worker.export import convert
from worker.export.export import predict_in_keras
from worker.export.head_graph import keras_with_head, with_head
from worker.runtimes import load_runtime

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
CLASSES = 3
RNG = np.random.default_rng(6)
WEIGHTS = RNG.standard_normal((FEATURES, CLASSES)).astype(np.float32)
BIAS = np.arange(CLASSES, dtype=np.float32)
IMAGES = RNG.integers(0, 256, (11, SIDE_PIXELS, SIDE_PIXELS, 3), np.uint8)


@pytest.fixture
def card() -> Card:
    return msgspec.structs.replace(
        packaged.card(),
        labels=tuple("abc"),
        preprocessing=Preprocessing(SIDE_PIXELS, SIDE_PIXELS, 3),
        output="logits",
        features=FEATURES,
        call_images=4,
        second_pass_margin=0.0,
        operating_points=(),
    )


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_logits_are_those_of_the_head_on_the_features_beside_them(
    precision: str, card: Card
) -> None:
    backbone = getattr(small_backbone.files(), precision)
    model = load_runtime.load("litert", card, with_head(backbone, WEIGHTS, BIAS))
    found = model.outputs(IMAGES)
    assert found.features is not None
    assert found.features.shape == (len(IMAGES), FEATURES)
    np.testing.assert_allclose(found.logits, found.features @ WEIGHTS + BIAS, atol=1e-4)
    expected = small_backbone.network().predict_on_batch(IMAGES)
    np.testing.assert_allclose(found.features, expected, atol=1e-5 if precision == "fp32" else 0.1)


def test_an_image_has_the_same_bits_in_calls_of_any_size(card: Card) -> None:
    data = with_head(small_backbone.files().int8, WEIGHTS, BIAS)
    whole = load_runtime.load("litert", card, data).outputs(IMAGES)
    for size in (1, 2, 7):
        other = msgspec.structs.replace(card, call_images=size)
        found = load_runtime.load("litert", other, data).outputs(IMAGES)
        assert found.logits.tobytes() == whole.logits.tobytes()
        assert found.features is not None
        assert whole.features is not None
        assert found.features.tobytes() == whole.features.tobytes()


def test_both_runtimes_agree(card: Card) -> None:
    network = keras_with_head(small_backbone.network(), WEIGHTS, BIAS)
    exact = load_runtime.load("tensorflow", card, convert.keras_file(network)).outputs(IMAGES)
    data = with_head(small_backbone.files().fp32, WEIGHTS, BIAS)
    found = load_runtime.load("litert", card, data).outputs(IMAGES)
    np.testing.assert_allclose(found.logits, exact.logits, atol=1e-4)
    assert found.features is not None
    assert exact.features is not None
    np.testing.assert_allclose(found.features, exact.features, atol=1e-5)


def test_runtimes_are_compared_on_the_cpu_wherever_operations_are_placed(card: Card) -> None:
    """Placed on a GPU that this machine lacks, they would fail; on one that it has, be inexact."""
    data = convert.keras_file(keras_with_head(small_backbone.network(), WEIGHTS, BIAS))
    expected = load_runtime.load("tensorflow", card, data).predict(IMAGES)
    soft = tf.config.get_soft_device_placement()
    tf.config.set_soft_device_placement(False)
    try:
        with tf.device("GPU:0"):
            found = predict_in_keras(card, data, IMAGES)
    finally:
        tf.config.set_soft_device_placement(soft)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("runtime", ["litert", "tensorflow"])
@pytest.mark.parametrize("features", [0, FEATURES + 1])
def test_a_card_with_another_number_of_features_is_refused(
    runtime: str, features: int, card: Card
) -> None:
    wrong = msgspec.structs.replace(card, features=features)
    network = keras_with_head(small_backbone.network(), WEIGHTS, BIAS)
    data = {
        "litert": with_head(small_backbone.files().fp32, WEIGHTS, BIAS),
        "tensorflow": convert.keras_file(network),
    }[runtime]
    with pytest.raises(SetupError, match="does not have the shapes of its card"):
        load_runtime.load(runtime, wrong, data)
