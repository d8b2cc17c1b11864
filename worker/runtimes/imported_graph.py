"""A network that another tool made, behind the interface of all graphs: one image a call."""

from __future__ import annotations

import logging
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.errors import SetupError
from shared.messages.model_card import Card, ImportedNetwork
from worker.runtimes.array_archive import one_line
from worker.runtimes.runtime import Graph, Images, Logits, Outputs, empty_outputs, image_shape

log = logging.getLogger(__name__)
Values = npt.NDArray[np.generic]  #: [1, ...], in the layout and type of the network's input
Row = npt.NDArray[np.float32]  #: [classes] of one image
#: Smallest probability for the logarithm: 69 nats.
SMALLEST = 1e-30
#: Probabilities add up to 1 within this, also where bytes or halves of floats have rounded them.
ROUNDED = 0.02
DRAWN_IMAGES = 4


class Network(Protocol):
    """A loaded file."""

    takes_uint8: bool  #: otherwise float32

    def row(self, values: Values) -> Row:
        """The outputs for one image. Raises ValueError: it does not have the network's shape."""


class ImportedGraph(Graph):
    """A network with the conversions that its card names."""

    def __init__(self, card: Card, network: Network) -> None:
        """Run it once. Raises SetupError: its shapes differ from the card's."""
        assert card.imported is not None
        self._card, self._imported, self._network = card, card.imported, network
        self._converter = Converter(card.imported, network.takes_uint8)
        try:
            self._logits(np.zeros(image_shape(card), np.uint8))
        except ValueError as error:
            raise refused(card, error) from error

    def run(self, images: Images) -> Outputs:
        """As `Graph.run`. Logits are not numbers where the network fails, as at an index or a size
        that a picture makes: that costs one row."""
        results = empty_outputs(images, self._card)
        for logits, image in zip(results.logits, images, strict=True):
            try:
                logits[:] = self._logits(image)
            except (ValueError, MemoryError) as error:
                log.warning("%s has no answer for an image: %s", self._card.ref, one_line(error))
                logits[:] = np.nan
        return results

    def _logits(self, image: Images) -> Row:
        row = self._network.row(self._converter.values(image))
        if row.shape != (len(self._card.labels),):
            raise ValueError(f"it returns {len(row)} values for an image")
        return np.log(np.maximum(row, SMALLEST)) if self._imported.is_softmax else row


class Converter:
    """Turns pixels into the values that a network takes."""

    def __init__(self, imported: ImportedNetwork, takes_uint8: bool) -> None:
        self._factor, self._offset = np.array(imported.scales, np.float32).T
        self._imported, self._takes_uint8 = imported, takes_uint8

    def values(self, image: Images) -> Values:
        """[1, ...] of an image uint8 [height, width, channels]."""
        channels = image[..., ::-1] if self._imported.is_bgr else image
        values = channels if self._takes_uint8 else channels * self._factor + self._offset
        if self._imported.layout == "nchw":
            values = values.transpose(2, 0, 1)
        return np.ascontiguousarray(values[None])


def drawn(shape: tuple[int, int, int]) -> Images:
    """The same images on every machine, uint8 [DRAWN_IMAGES, *shape]: a gradient, stripes, coarse
    and fine squares of many colours."""
    row, column, channel = np.ogrid[: shape[0], : shape[1], : shape[2]]
    images = [
        (row * 255 // shape[0] + column * 0 + channel * 60),
        (column * 37 + row * 0 + channel * 90),
        (row // 16 * 7919 + column // 16 * 104_729 + channel * 1_299_709),
        (row * 7919 + column * 104_729 + row * column * 31 + channel * 1_299_709),
    ]
    return np.stack([image % 256 for image in images]).astype(np.uint8)


def are_probabilities(rows: Logits, tolerance: float = ROUNDED) -> bool:
    """Whether each row of float [n, classes] is a distribution."""
    sums = rows.sum(1, dtype=np.float64)
    return bool((rows >= 0).all() and (np.abs(sums - 1) < tolerance).all())


def refused(card: Card, error: Exception) -> SetupError:
    """The error for a version whose file cannot be loaded."""
    return SetupError(f"{card.ref} cannot be loaded ({one_line(error)}); publish it again")
