"""Turns the outputs of a graph into probabilities: the same steps behind every runtime.

They are pure functions of the image: its row is the same in a message of any size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shared.messages.model_card import Card
from worker.runtimes.runtime import Graph, Images, Logits, Outputs, Probabilities


class Classifier:
    """A loaded version: its graph, and the steps after it that its card names."""

    def __init__(self, card: Card, graph: Graph) -> None:
        self._card = card
        self._graph = graph

    def predict(self, images: Images) -> Probabilities:
        """Probabilities float32 [n, classes] of images uint8 [n, height, width, channels].

        Raises:
            SetupError: the images do not have the shape in the version's card.
        """
        return self.probabilities(self.outputs(images))

    def probabilities(self, outputs: Outputs) -> Probabilities:
        """float32 [n, classes]: what `predict` returns for images with these outputs."""
        if self._card.output == "probabilities":
            return outputs.logits
        return probabilities(outputs.logits, self._card.temperature)

    def logits(self, images: Images) -> Logits:
        """The logits of `outputs`."""
        return self.outputs(images).logits

    def outputs(self, images: Images) -> Outputs:
        """For images uint8 [n, H, W, C]: logits after the second pass, features of the first.

        Raises:
            SetupError: the images do not have the shape in the version's card.
        """
        first, features = self._graph.run(images)
        if self._card.second_pass_margin:
            again = np.flatnonzero(margins(first) < self._card.second_pass_margin)
            if len(again):
                first[again] = mean(first[again], self._graph.look_again(images[again]))
        return Outputs(first, features)


def probabilities(logits: Logits, temperature: float) -> Probabilities:
    """float32 [n, classes]: the softmax of logits [n, classes] divided by the temperature."""
    return softmax(logits / np.float64(temperature)).astype(np.float32)


def softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Probabilities float64 [n, classes] of logits [n, classes]."""
    powers = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    shares: npt.NDArray[np.float64] = powers / powers.sum(1, keepdims=True)
    return shares


def margins(logits: Logits) -> npt.NDArray[np.float32]:
    """float32 [n]: by how much the largest logit exceeds the second; infinite for one class."""
    if logits.shape[1] < 2:
        return np.full(len(logits), np.inf, np.float32)
    largest = np.partition(logits, -2, axis=1)[:, -2:]
    gaps: npt.NDArray[np.float32] = largest[:, 1] - largest[:, 0]
    return gaps


def mean(first: Logits, second: Logits) -> Logits:
    """The mean of the logits of both passes, float32 [n, classes]."""
    logits: Logits = (first + second) / np.float32(2)
    return logits
