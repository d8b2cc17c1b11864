"""Versions of photos: features by LiteRT, and heads in NumPy. No TensorFlow is imported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shared.messages.model_card import Card
from worker.runtimes import heads, tflite_network
from worker.runtimes.imported_graph import refused
from worker.runtimes.runtime import Graph, Images, Logits, Outputs, empty_outputs, image_shape
from worker.runtimes.tflite_network import BackboneGraph


def graph(card: Card, artifact: bytes, backbones: Sequence[bytes]) -> Photo:
    """The backbones and heads of a version. Raises SetupError if a file is refused."""
    try:
        return Photo(card, artifact, [tflite_network.shared(file) for file in backbones])
    except ValueError as error:
        raise refused(card, error) from error


class Photo(Graph):
    """One look or two: backbones that versions of a process share, with a head behind each."""

    def __init__(self, card: Card, of_heads: bytes, backbones: Sequence[BackboneGraph]) -> None:
        """Read the heads and run the backbones once.

        Raises:
            ValueError: the heads are damaged, or shapes differ from the card's.
        """
        self._card, self._backbones = card, backbones
        sides = [(look.size_pixels, look.size_pixels, 3) for look in card.looks]
        widths = [backbone.features for backbone in backbones]
        if [each.shape for each in backbones] != sides or widths[0] != card.features:
            raise ValueError("the backbones do not have the shapes of the card")
        self._heads = heads.decode(of_heads, widths, len(card.labels))
        black = np.zeros((1, *image_shape(card)), np.uint8)
        for backbone in self._backbones:
            backbone.run(black[0])

    def run(self, images: Images) -> Outputs:
        """As `Graph.run`: the first look."""
        results = empty_outputs(images, self._card)
        assert results.features is not None
        for row, image in zip(results.features, images, strict=True):
            row[:] = self._backbones[0].run(image)
        results.logits[:] = self._heads[0].served_logits(results.features)
        return results

    def look_again(self, images: Images) -> Logits:
        """As `Graph.look_again`: by the second backbone."""
        features = np.stack([self._backbones[1].run(image) for image in images])
        return self._heads[1].served_logits(features)
