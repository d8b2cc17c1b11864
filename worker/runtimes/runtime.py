"""The interfaces of all runtimes: images in, one row of numbers per image out.

Importing this module loads NumPy and no runtime: worker/runtimes/load_runtime.py does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.errors import SetupError
from shared.messages.model_card import Card

Images = npt.NDArray[np.uint8]  #: [n, height, width, channels]
Probabilities = npt.NDArray[np.float32]  #: [n, classes]
Logits = npt.NDArray[np.float32]  #: [n, classes]
Features = npt.NDArray[np.float32]  #: [n, features]


class Outputs(NamedTuple):
    """What a graph returns."""

    logits: Logits
    features: Features | None  #: None if the version's graph has no such output


class Graph(ABC):
    """The network of a version as a runtime executes it: one pass, without softmax."""

    @abstractmethod
    def run(self, images: Images) -> Outputs:
        """The outputs for images uint8 [n, height, width, channels].

        Older versions return probabilities as logits (`Card.output`).

        Raises:
            SetupError: the images do not have the shape in the version's card.
        """

    def look_again(self, images: Images) -> Logits:
        """Logits of a second pass over these images, of which the first was unsure: mirrored."""
        return self.run(mirrored(images)).logits


def mirrored(images: Images) -> Images:
    """Left and right exchanged, in memory of its own: uint8 [n, H, W, C]."""
    return np.ascontiguousarray(images[:, :, ::-1])


def image_shape(card: Card) -> tuple[int, int, int]:
    """Height, width and channels of one image."""
    spec = card.preprocessing
    return spec.height, spec.width, spec.channels


def empty_outputs(images: Images, card: Card) -> Outputs:
    """Uninitialized arrays for the images.

    Raises:
        SetupError: the images do not have the card's shape.
    """
    shape = image_shape(card)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != shape:
        raise SetupError(
            f"{card.ref} takes uint8 images [n, {shape[0]}, {shape[1]}, {shape[2]}], "
            f"not {images.dtype} {list(images.shape)}"
        )
    features = np.empty((len(images), card.features), np.float32) if card.features else None
    return Outputs(np.empty((len(images), len(card.labels)), np.float32), features)


def in_calls(images: Images, call_images: int, *, pad: bool) -> Iterator[tuple[slice, Images]]:
    """The images of each call, at most `call_images`, and the rows of its results.

    With `pad`, black images fill each call up to `call_images`.
    """
    for start in range(0, len(images), call_images):
        part = images[start : start + call_images]
        rows = slice(start, start + len(part))
        yield rows, _padded(part, call_images) if pad else part


def _padded(part: Images, count: int) -> Images:
    if len(part) == count:
        return part
    filled = np.zeros((count, *part.shape[1:]), np.uint8)
    filled[: len(part)] = part
    return filled


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
