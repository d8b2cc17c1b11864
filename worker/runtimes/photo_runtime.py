"""Versions of photos: features by LiteRT, and heads in NumPy. No TensorFlow is imported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shared.errors import SetupError
from shared.messages.model_card import Card
from worker.runtimes import feature_graph, heads
from worker.runtimes.array_archive import one_line
from worker.runtimes.runtime import Graph, Images, Logits, Outputs, empty_outputs, image_shape


def graph(card: Card, artifact: bytes, backbones: Sequence[bytes]) -> Photo:
    """The backbones and heads of a version. Raises SetupError if a file is refused."""
    return Photo(card, artifact, backbones)


class Photo(Graph):
    """One look or two: backbones that versions of a process share, with a head behind each."""

    def __init__(self, card: Card, artifact: bytes, backbones: Sequence[bytes]) -> None:
        """Load the files and run them once.

        Raises:
            SetupError: a file is damaged, or its shapes differ from the card's.
        """
        self._card = card
        try:
            self._backbones = [feature_graph.shared(file) for file in backbones]
            sides = [(look.size_pixels, look.size_pixels, 3) for look in card.looks]
            widths = [backbone.features for backbone in self._backbones]
            if [each.shape for each in self._backbones] != sides or widths[0] != card.features:
                raise ValueError("the backbones do not have the shapes of the card")
            self._heads = heads.decode(artifact, widths, len(card.labels))
        except ValueError as error:
            reason = one_line(error)
            raise SetupError(f"{card.ref} cannot be loaded ({reason}); publish it again") from error
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
