"""Versions of photos: features by LiteRT, and a head in NumPy. No TensorFlow is imported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shared.errors import SetupError
from shared.messages.model_card import Card
from worker.runtimes import feature_graph, heads
from worker.runtimes.array_archive import one_line
from worker.runtimes.runtime import Images, Outputs, empty_outputs, image_shape


def graph(card: Card, artifact: bytes, backbones: Sequence[bytes]) -> Photo:
    """The backbones and heads of a version. Raises SetupError if a file is refused."""
    return Photo(card, artifact, backbones)


class Photo:
    """A backbone that versions of a process share, and a head behind it."""

    def __init__(self, card: Card, artifact: bytes, backbones: Sequence[bytes]) -> None:
        """Load the files and run them once.

        Raises:
            SetupError: a file is damaged, or its shapes differ from the card's.
        """
        self._card = card
        try:
            [self._backbone] = map(feature_graph.shared, backbones)
            form = (self._backbone.shape, self._backbone.features)
            if form != (image_shape(card), card.features):
                raise ValueError("the backbone does not have the shapes of the card")
            [self._head] = heads.decode(artifact, [card.features], len(card.labels))
        except ValueError as error:
            reason = one_line(error)
            raise SetupError(f"{card.ref} cannot be loaded ({reason}); publish it again") from error
        self.run(np.zeros((1, *image_shape(card)), np.uint8))

    def run(self, images: Images) -> Outputs:
        """As `Graph.run`."""
        results = empty_outputs(images, self._card)
        assert results.features is not None
        for row, image in zip(results.features, images, strict=True):
            row[:] = self._backbone.run(image)
        results.logits[:] = self._head.served_logits(results.features)
        return results
