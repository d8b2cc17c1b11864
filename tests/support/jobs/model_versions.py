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
from shared.messages.model_card import Card
from shared.registry import packaged
from shared.registry.registry import Registry
from tests.support.jobs.expected_table import Version

if TYPE_CHECKING:
    import keras

    from worker.graphs.served import Served

NAME = "swap"
#: Random images on which the export compares the runtimes.
_COMPARED_IMAGES = 64
CALL_IMAGES = 64


def publish(registry: Registry, recipe: str, seed: int, notes: str = "") -> Version:
    """A new version of `NAME`, with the network of a recipe; `notes` distinguish cards.

    It has the file of LiteRT only, whose size of a call is not measured: that is most of an export.
    """
    data = _converted(recipe, seed)
    files = {runtimes.find("litert").artifact: data}
    card = msgspec.structs.replace(
        packaged.card(), name=NAME, pixel_bounds=None, notes=notes, output="logits",
        precision="fp32", temperature=1.0, second_pass_margin=0.0, second_pass_share=0.0,
        operating_points=(), features=0, call_images=CALL_IMAGES, files={},
    )  # fmt: skip
    return Version(registry.publish(card, files), data)


@cache
def _converted(recipe: str, seed: int) -> bytes:
    from worker.graphs import convert

    return convert.fp32_file(convert.frozen(_network(packaged.card(), recipe, seed)))


def exported(card: Card, recipe: str, seed: int) -> Served:
    """A version with the network of a recipe, not calibrated."""
    from worker.graphs.export import export_unlabelled

    network = _network(card, recipe, seed)
    shape = (_COMPARED_IMAGES, *network.input.shape[1:])
    images = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        return export_unlabelled(network, card, images)


def _network(card: Card, recipe: str, seed: int) -> keras.Model:
    import keras

    from shared import recipes
    from worker.train import networks

    keras.utils.set_random_seed(seed)
    shape = (card.preprocessing.height, card.preprocessing.width, card.preprocessing.channels)
    return networks.build(recipes.find(recipe), shape, len(card.labels))
