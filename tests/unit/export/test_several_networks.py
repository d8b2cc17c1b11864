"""One graph of several networks: both files return what its parts return together."""

from __future__ import annotations

import io

import keras
import msgspec
import numpy as np
import pytest
from PIL import Image

from shared.errors import SetupError
from shared.messages.model_card import Card, Preprocessing
from shared.registry import packaged
from tests.support.backbones import small_backbone
from tests.support.backbones.small_backbone import FEATURES, SIDE_PIXELS
from worker.backbones.photo_features import PhotoFeatures
from worker.evaluation import mixture
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.export import convert, several_networks
from worker.export.export import KERAS, TFLITE
from worker.export.head_graph import keras_with_head, with_head
from worker.export.several_networks import Part, downscaled, joined
from worker.inference import serving_cost
from worker.learners import several
from worker.runtimes import load_runtime
from worker.runtimes.classifier import softmax
from worker.runtimes.runtime import Outputs

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
CLASSES, SMALL = 3, SIDE_PIXELS * 3 // 7  # not a whole fraction, as 96 of 224
RNG = np.random.default_rng(6)
IMAGES = RNG.integers(0, 256, (5, SIDE_PIXELS, SIDE_PIXELS, 3), np.uint8)
HEAD_WEIGHTS = RNG.standard_normal((FEATURES, CLASSES)).astype(np.float32)
TEMPERATURES, WEIGHTS = (0.5, 2.0), (0.3, 0.7)


def card_of(side: int, features: int) -> Card:
    return msgspec.structs.replace(
        packaged.card(),
        labels=tuple("abc"),
        preprocessing=Preprocessing(side, side, 3),
        output="logits",
        temperature=1.5,
        features=features,
        call_images=1,
        second_pass_margin=0.0,
        operating_points=(),
    )


@pytest.fixture(scope="module")
def parts() -> list[Part]:
    """A head on a backbone in int8, and a network for smaller images without features."""
    bias = np.arange(CLASSES, dtype=np.float32)
    network = keras_with_head(small_backbone.network(), HEAD_WEIGHTS, bias)
    head = {
        KERAS: convert.keras_file(network),
        TFLITE: with_head(small_backbone.files().int8, HEAD_WEIGHTS, bias),
    }
    keras.utils.set_random_seed(4)
    images = keras.Input((SMALL, SMALL, 3), dtype="uint8")
    values = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(images))
    values = keras.layers.GlobalAveragePooling2D()(values)
    small = keras.Model(images, keras.layers.Dense(CLASSES)(values))
    return [Part(card_of(SIDE_PIXELS, FEATURES), head), plain(small, SMALL)]


def plain(network: keras.Model, side: int) -> Part:
    """A network without features."""
    files = {
        KERAS: convert.keras_file(network),
        TFLITE: convert.fp32_file(convert.frozen(network)),
    }
    return Part(card_of(side, 0), files)


def one_pixel(side: int, row: int, column: int) -> Part:
    """A network whose logits are the channels of a pixel."""
    images = keras.Input((side, side, 3), dtype="uint8")
    rest = (row, side - 1 - row), (column, side - 1 - column)
    values = keras.layers.Cropping2D(rest)(keras.layers.Rescaling(1 / 32)(images))
    return plain(keras.Model(images, keras.layers.Flatten()(values)), side)


def outputs(runtime: str, part: Part, images: np.ndarray) -> Outputs:
    file = TFLITE if runtime == "litert" else KERAS
    return load_runtime.load(runtime, part.card, part.files[file]).outputs(images)


def logits(runtime: str, parts: list[Part]) -> list[np.ndarray]:
    small = downscaled(IMAGES, (SMALL, SMALL, 3))
    return [
        outputs(runtime, part, images).logits
        for part, images in zip(parts, (IMAGES, small), strict=True)
    ]


def test_both_files_return_the_combination_of_the_parts_and_the_first_ones_features(
    parts: list[Part],
) -> None:
    card = parts[0].card
    mean = several_networks.mean_of_probabilities(CLASSES, TEMPERATURES, WEIGHTS)
    whole = Part(card, joined(card, parts, mean, IMAGES[:2]))
    for runtime in ("litert", "tensorflow"):
        first, second = logits(runtime, parts)
        shares = WEIGHTS[0] * softmax(first / TEMPERATURES[0])
        shares += WEIGHTS[1] * softmax(second / TEMPERATURES[1])
        found = outputs(runtime, whole, IMAGES)
        np.testing.assert_allclose(found.logits, np.log(shares), atol=2e-5)
        alone = outputs(runtime, parts[0], IMAGES)
        np.testing.assert_array_equal(found.features, alone.features)
        one = outputs(runtime, whole, IMAGES[3:4])  # a row does not depend on the others
        np.testing.assert_array_equal(one.logits[0], found.logits[3])


def test_constants_that_parts_share_are_in_the_file_once(parts: list[Part]) -> None:
    card, head = parts[0].card, parts[0]
    twice = several_networks.mean_of_probabilities(CLASSES, (1.0, 1.0), (0.5, 0.5))
    data = several_networks._tflite_file([head, head], twice)
    assert data.count(HEAD_WEIGHTS.T.tobytes()) == 1
    found = load_runtime.load("litert", card, data).outputs(IMAGES).logits
    expected = softmax(outputs("litert", head, IMAGES).logits)
    np.testing.assert_allclose(softmax(found), expected, atol=1e-5)


def test_a_file_that_does_something_else_than_its_parts_is_refused(
    parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = several_networks._tflite_file(
        parts, several_networks.mean_of_probabilities(CLASSES, TEMPERATURES, WEIGHTS[::-1])
    )
    monkeypatch.setattr(several_networks, "_tflite_file", lambda *of: other)
    monkeypatch.setattr(several_networks, "_keras_file", lambda *of: b"")
    mean = several_networks.mean_of_probabilities(CLASSES, TEMPERATURES, WEIGHTS)
    with pytest.raises(SetupError, match="disagree"):
        joined(parts[0].card, parts, mean, IMAGES[:2])


def test_sizes_between_which_the_runtimes_round_differently_are_not_refused() -> None:
    images = np.random.default_rng(1).integers(0, 256, (1, 260, 260, 3), np.uint8)
    in_keras = several_networks._downscaled_in_keras(images, (224, 224, 3))
    _, row, column, _ = np.argwhere(downscaled(images, (224, 224, 3)) != in_keras)[0].tolist()
    large, small = one_pixel(260, 0, 0), one_pixel(224, row, column)
    mean = several_networks.mean_of_probabilities(CLASSES, TEMPERATURES, WEIGHTS)
    assert set(joined(large.card, [large, small], mean, images)) == {KERAS, TFLITE}


def test_downscaled_images_are_means_and_rounded() -> None:
    stripes = np.zeros((1, SIDE_PIXELS, SIDE_PIXELS, 3), np.uint8)
    stripes[:, :, ::2] = 255
    small = downscaled(stripes, (SMALL, SMALL, 3))
    assert small.shape == (1, SMALL, SMALL, 3)
    assert set(small.ravel().tolist()) == {128}


def test_speed_and_memory_are_those_of_a_process_of_its_own(parts: list[Part]) -> None:
    file = io.BytesIO()
    Image.fromarray(IMAGES[0]).save(file, "PNG")
    cost = serving_cost.measured(parts[0].card, parts[0].files[TFLITE], 2 * [file.getvalue()])
    assert cost.images_per_s > 0
    assert cost.memory_bytes > len(parts[0].files[TFLITE])


def answers(strength: float, labels: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(int(10 * strength)).standard_normal((len(labels), CLASSES))
    noise[np.arange(len(labels)), labels] += strength
    return softmax(strength * noise).astype(np.float32)


def test_the_better_network_gets_the_larger_weight_and_a_useless_one_none() -> None:
    labels = RNG.integers(0, CLASSES, 400)
    good, better = answers(1.5, labels), answers(2.0, labels)
    useless = np.full((400, CLASSES), 1 / CLASSES, np.float32)
    chosen = mixture.choose([good, useless, better], labels, [[0], [1], [2]])
    assert chosen.weights[1] == 0
    assert chosen.weights[2] > chosen.weights[0] > 0
    assert sum(chosen.weights) == pytest.approx(1)
    mean = good * chosen.weights[0] + better * chosen.weights[2]
    expected = -np.log(mean[np.arange(400), labels])
    np.testing.assert_allclose(chosen.losses, expected, atol=1e-6)
    assert chosen.losses.mean() < -np.log(better[np.arange(400), labels]).mean()


def test_heads_have_equal_weights_however_few_photos_favour_one_of_them() -> None:
    labels = np.random.default_rng(8).integers(0, CLASSES, 60)
    lucky, head, other = answers(2.5, labels), answers(1.5, labels), answers(2.4, labels)
    useless = np.full((60, CLASSES), 1 / CLASSES, np.float32)
    assert mixture.choose([head, lucky], labels, [[0, 1]]).weights == (0.5, 0.5)
    chosen = mixture.choose([head, lucky, useless, other], labels, [[0, 1], [2], [3]])
    assert chosen.weights[0] == chosen.weights[1] > 0
    assert chosen.weights[2] == 0
    assert chosen.weights[3] > 0


def test_a_network_that_holds_out_fewer_photos_is_judged_by_the_difference_on_those() -> None:
    labels = RNG.integers(0, CLASSES, 40)
    digests = RNG.integers(0, 256, (40, 32), np.uint8)
    numbers, none = np.arange(40, dtype=np.uint64), np.empty((40, 0), np.float32)
    parts = np.zeros(40, np.int8)
    photos = PhotoFeatures([b""] * 40, labels, parts, digests, numbers, none, none)
    whole = answers(1.5, labels)
    logits = np.log(whole)
    easy = logits.argmax(1) == labels
    assert not easy.all()

    def figures(held: np.ndarray) -> tuple[float, float]:
        found = HeldoutAnswers(numbers[held], labels[held], logits[held], digests[held])
        card = msgspec.structs.replace(card_of(SMALL, 0), temperature=1.0)
        return several._figures(several._Recorded(Part(card, {}), found), photos, whole)

    assert figures(easy) == pytest.approx(figures(np.full(40, True)))
    assert figures(easy)[0] == pytest.approx(easy.mean())
