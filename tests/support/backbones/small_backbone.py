"""A backbone of two layers, converted like a real one, for tests that need no good features."""

from __future__ import annotations

import functools

import keras
import numpy as np

from worker.backbones.photo_features import BackboneFiles
from worker.export import convert

SIDE_PIXELS, FEATURES = 16, 5


@functools.cache
def network() -> keras.Model:
    """uint8 [n, 16, 16, 3] to features [n, 5]."""
    keras.utils.set_random_seed(3)
    images = keras.Input((SIDE_PIXELS, SIDE_PIXELS, 3), dtype="uint8", name="images")
    values = keras.layers.Rescaling(1 / 128, offset=-1.0)(images)
    values = keras.layers.Conv2D(FEATURES, 3, activation="relu")(values)
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(values))


@functools.cache
def files() -> BackboneFiles:
    """Its files for LiteRT."""
    rng = np.random.default_rng(4)
    images = rng.integers(0, 256, (64, SIDE_PIXELS, SIDE_PIXELS, 3), np.uint8)
    images[::2] = rng.integers(0, 2, (32, 1, 1, 3), np.uint8) * 255  # flat: the largest outputs
    graph = convert.frozen(network())
    return BackboneFiles(convert.fp32_file(graph), convert.int8_file(graph, images))
