"""Measures how many images a call of a `.tflite` file should have."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
import numpy as np

from shared.messages.model_card import Card
from worker.runtimes.litert_runtime import LiteRT
from worker.runtimes.runtime import image_shape

#: Sizes that are tried, smallest first. Fewer than 8 would not pay for a network of a few layers.
SIZES = (8, 16, 32, 64, 128, 256)
#: A larger call must be faster by more than this share.
WORTH = 0.03
#: Bound on the memory of the largest activations of a call.
MEMORY_BYTES = 24 << 20
#: The same for calls of the trainer during an export.
EXPORT_BYTES = 256 << 20
REPEATS = 5


def choose(card: Card, artifact: bytes) -> int:
    """The smallest size of a call that is about as fast as any within the memory bound."""
    bytes_per_image = _activation_bytes(card, artifact)
    sizes = [size for size in SIZES if size * bytes_per_image <= MEMORY_BYTES] or [1]
    if len(sizes) == 1:
        return sizes[0]
    return smallest_fast_size({size: _seconds_per_image(card, artifact, size) for size in sizes})


def smallest_fast_size(costs: Mapping[int, float]) -> int:
    """The smallest size that is about as fast as any, from seconds for an image by size."""
    fastest = min(costs.values())
    return min(size for size, cost in costs.items() if cost <= fastest * (1 + WORTH))


def bounded(card: Card, artifact: bytes) -> Card:
    """The card with calls of a size that an export can afford."""
    affordable = EXPORT_BYTES // _activation_bytes(card, artifact)
    return msgspec.structs.replace(card, call_images=max(1, min(card.call_images, affordable)))


def _activation_bytes(card: Card, artifact: bytes) -> int:
    """What one image takes."""
    return LiteRT(msgspec.structs.replace(card, call_images=1), artifact).activation_bytes()


def _seconds_per_image(card: Card, artifact: bytes, size: int) -> float:
    """Processor time, the least of several calls."""
    graph = LiteRT(msgspec.structs.replace(card, call_images=size), artifact)
    images = np.random.default_rng(0).integers(0, 256, (size, *image_shape(card)), np.uint8)
    costs = []
    for _ in range(REPEATS):
        start = time.thread_time()
        graph.run(images)
        costs.append(time.thread_time() - start)
    return min(costs) / size
