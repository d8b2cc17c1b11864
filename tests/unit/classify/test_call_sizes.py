"""An image gets the same bits in LiteRT calls of any size, and small calls stay small."""

from __future__ import annotations

import keras
import msgspec
import numpy as np
import pytest

from shared import recipes
from shared.messages.model_card import Card
from shared.registry import packaged
from worker.graphs import convert
from worker.runtimes.litert_runtime import LiteRT
from worker.runtimes.runtime import Images
from worker.train import networks

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


@pytest.mark.parametrize("name", RECIPES)
def test_the_bits_of_an_image_do_not_depend_on_its_call(
    name: str, card: Card, images: Images
) -> None:
    keras.utils.set_random_seed(1)
    network = networks.build(recipes.find(name), (28, 28, 1), len(card.labels))
    model = exported(network, card)
    whole = model.run(images).logits
    for size in (1, 3, 16, CALL_IMAGES):
        parts = [model.run(images[n : n + size]).logits for n in range(0, len(images), size)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
