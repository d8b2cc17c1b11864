"""Real versions of a model, made in seconds from untrained networks.

Their predictions differ for each seed, so a row identifies the version that wrote it.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from shared import runtimes
from shared.messages.model_card import Card, decode_card, encode_card
from shared.registry import packaged
from shared.registry.registry import Registry
from tests.support.jobs.expected_table import Version

if TYPE_CHECKING:
    from worker.export.export import Served

NAME = "swap"
#: Random images on which the export compares the runtimes.
_COMPARED_IMAGES = 64


def publish(registry: Registry, recipe: str, seed: int, notes: str = "") -> Version:
    """A new version of `NAME`, with the network of a recipe; `notes` distinguish cards."""
    made = exported(_card(), recipe, seed)
    card = registry.publish(msgspec.structs.replace(made.card, notes=notes), made.files)
    return Version(card, registry.read(card, runtimes.find("litert").artifact))


def _card() -> Card:
    return msgspec.structs.replace(packaged.card(), name=NAME, gates=None)


def exported(card: Card, recipe: str, seed: int) -> Served:
    """A version with the network of a recipe, not calibrated."""
    return _exported(encode_card(card), recipe, seed)


@cache
def _exported(card_data: bytes, recipe: str, seed: int) -> Served:
    import keras

    from shared import recipes
    from worker.export.export import export_unlabelled
    from worker.training import networks

    keras.utils.set_random_seed(seed)
    card = decode_card(card_data)
    shape = (card.preprocessing.height, card.preprocessing.width, card.preprocessing.channels)
    network = networks.build(recipes.find(recipe), shape, len(card.labels))
    images = np.random.default_rng(seed).integers(0, 256, (_COMPARED_IMAGES, *shape), np.uint8)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        return export_unlabelled(network, card, images)
