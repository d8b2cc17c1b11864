"""An image gets the same bits in LiteRT calls of any size, and small calls stay small."""

from __future__ import annotations

import keras
import msgspec
import numpy as np
import pytest

from shared import recipes
from shared.messages.model_card import Card
from shared.registry import packaged
from worker.export import convert
from worker.runtimes import runtime
from worker.runtimes.litert_runtime import LiteRT
from worker.runtimes.runtime import Images
from worker.training import networks

CALL_IMAGES = 64
RECIPES = ("tutorial", "fast", "accurate")


@pytest.fixture(scope="module")
def card() -> Card:
    return msgspec.structs.replace(packaged.card(), call_images=CALL_IMAGES)


@pytest.fixture(scope="module")
def images() -> Images:
    """One full call, and a smaller one."""
    return np.random.default_rng(1).integers(0, 256, (CALL_IMAGES + 8, 28, 28, 1), np.uint8)


def exported(network: keras.Model, card: Card) -> LiteRT:
    return LiteRT(card, convert.fp32_file(convert.frozen(network)))


def calls_of(model: LiteRT) -> list[int]:
    """Record the sizes of the graph calls from now on."""
    sizes: list[int] = []
    invoke = model._invoke

    def counted(images: Images) -> list[runtime.Logits]:
        sizes.append(len(images))
        return invoke(images)

    model._invoke = counted  # type: ignore[method-assign]
    return sizes


@pytest.mark.parametrize("name", RECIPES)
def test_the_bits_of_an_image_do_not_depend_on_its_call(
    name: str, card: Card, images: Images
) -> None:
    keras.utils.set_random_seed(1)
    network = networks.build(recipes.find(name), (28, 28, 1), len(card.labels))
    model = exported(network, card)
    whole = model.run(images).logits
    for size in (1, 2, 3, 5, 8, 16, 31, CALL_IMAGES):
        parts = [model.run(images[n : n + size]).logits for n in range(0, len(images), size)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_a_call_has_no_more_images_than_there_are(card: Card, images: Images) -> None:
    model = LiteRT(card, packaged.read("model.tflite"))
    sizes = calls_of(model)
    model.run(images)
    model.run(images[:16])
    assert sizes == [CALL_IMAGES, 8, 16]


class AmongOthers(keras.layers.Layer):  # type: ignore[misc]
    """Adds the mean of all images in a call, so that a result depends on the other images."""

    def call(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        return logits + keras.ops.mean(logits, axis=0, keepdims=True)


class Fixed(keras.layers.Layer):  # type: ignore[misc]
    """Fixes the number of images in the graph."""

    def call(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.reshape(logits, (CALL_IMAGES, 2, 5))[:, 0] * 1.0


@pytest.mark.parametrize("layer", [AmongOthers, Fixed])
def test_a_graph_that_needs_its_size_gets_full_calls(
    layer: type[keras.layers.Layer], card: Card, images: Images
) -> None:
    keras.utils.set_random_seed(1)
    fewer = msgspec.structs.replace(card, labels=card.labels[:5] if layer is Fixed else card.labels)
    source = keras.Input((28, 28, 1), dtype="uint8", batch_size=CALL_IMAGES)
    scaled = keras.layers.Rescaling(1 / 255)(source)
    logits = keras.layers.Dense(10)(keras.layers.Flatten()(scaled))
    model = exported(keras.Model(source, layer()(logits)), fewer)
    sizes = calls_of(model)
    assert model.run(images[:3]).logits.shape == (3, len(fewer.labels))
    assert sizes == [CALL_IMAGES]
