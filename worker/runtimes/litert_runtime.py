"""`model.tflite` on a CPU by LiteRT: the workers' default. No TensorFlow is imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from shared.errors import SetupError
from shared.messages.model_card import Card
from worker.runtimes.imported_graph import ImportedGraph, refused
from worker.runtimes.runtime import (
    Graph,
    Images,
    Logits,
    Outputs,
    empty_outputs,
    image_shape,
    in_calls,
)
from worker.runtimes.tflite_network import TfliteNetwork

#: Call sizes that are compared with a full call. Some libraries have special kernels for one image,
#: and three is an odd number.
PROBE_IMAGES = (1, 3)


def graph(card: Card, artifact: bytes, backbones: Sequence[bytes]) -> Graph:
    """The network of a version, which has no backbones. Raises SetupError: it is refused."""
    if card.imported is None:
        return LiteRT(card, artifact)
    try:
        return ImportedGraph(card, TfliteNetwork(artifact))
    except ValueError as error:
        raise refused(card, error) from error


class LiteRT(Graph):
    """A `.tflite` file, called with at most the number of images in its card.

    The cost of a smaller call is proportional to its images. A graph whose results depend on the
    call size, or whose size is fixed, gets full calls with padding.
    """

    def __init__(self, card: Card, artifact: bytes) -> None:
        """Load the model and run it once.

        Raises:
            SetupError: this is no `.tflite` file, or its shapes differ from the card's.
        """
        self._card = card
        self._interpreter, self._input, self._outputs = _loaded(card, artifact)
        self._images = int(self._input["shape"][0])
        self._check()
        self._same_bits = self._same_bits_in_small_calls()

    def run(self, images: Images) -> Outputs:
        """As `Graph.run`."""
        results = empty_outputs(images, self._card)
        for rows, call in in_calls(images, self._card.call_images, pad=not self._same_bits):
            self._resize(len(call))
            for result, output in zip(results, self._invoke(call), strict=False):
                if result is not None:
                    result[rows] = output[: rows.stop - rows.start]
        return results

    def activation_bytes(self) -> int:
        """What one image takes: twice its largest activation, about what a call holds at a time."""
        sizes: list[int] = [
            int(np.prod(tensor["shape"])) * np.dtype(tensor["dtype"]).itemsize
            for tensor in self._interpreter.get_tensor_details()
            if len(tensor["shape"]) > 1 and tensor["shape"][0] == 1
        ]
        return 2 * max(sizes)

    def _invoke(self, images: Images) -> list[Logits]:
        """Logits, and features if the version has them."""
        self._interpreter.set_tensor(self._input["index"], images)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output["index"]) for output in self._outputs]

    def _resize(self, count: int) -> None:
        if count != self._images:
            shape = (count, *image_shape(self._card))
            self._images = 0  # unknown if an exception ends the next steps
            self._interpreter.resize_tensor_input(self._input["index"], shape)
            self._interpreter.allocate_tensors()
            self._images = count

    def _same_bits_in_small_calls(self) -> bool:
        """Whether an image gets the same outputs in smaller calls; runs the model."""
        count = self._card.call_images
        images = np.random.default_rng(0).integers(
            0, 256, (count, *image_shape(self._card)), np.uint8
        )
        self._resize_to_full_call()
        whole = self._invoke(images)
        if [output.shape for output in whole] != [(count, width) for width in self._widths()]:
            raise self._misfit()
        try:
            for few in PROBE_IMAGES:
                self._resize(min(few, count))
                for output, expected in zip(self._invoke(images[:few]), whole, strict=True):
                    if not np.array_equal(output, expected[:few]):
                        raise RuntimeError("results differ in bits or shape")
        except (RuntimeError, ValueError):
            self._resize_to_full_call()
            return False
        return True

    def _resize_to_full_call(self) -> None:
        try:
            self._resize(self._card.call_images)
        except (RuntimeError, ValueError) as error:
            raise self._misfit() from error

    def _check(self) -> None:
        input_form = (self._input["dtype"], tuple(self._input["shape"][1:]))
        outputs = [(output["dtype"], tuple(output["shape"][1:])) for output in self._outputs]
        expected = [(np.float32, (width,)) for width in self._widths()]
        if input_form != (np.uint8, image_shape(self._card)) or outputs != expected:
            raise self._misfit()

    def _widths(self) -> list[int]:
        """The lengths of the outputs of an image."""
        return [width for width in (len(self._card.labels), self._card.features) if width]

    def _misfit(self) -> SetupError:
        return SetupError(
            f"model.tflite of {self._card.ref} does not have the shapes of its card; "
            "publish it again"
        )


def _loaded(
    card: Card, artifact: bytes
) -> tuple[Interpreter, dict[str, Any], list[dict[str, Any]]]:
    """The interpreter, and the details of its only input and of its outputs."""
    try:
        interpreter = Interpreter(model_content=artifact, num_threads=1)
        interpreter.allocate_tensors()
        # The names in a damaged file may not be UTF-8.
        (input_,), outputs = interpreter.get_input_details(), interpreter.get_output_details()
    except (ValueError, RuntimeError) as error:
        raise refused(card, error) from error
    return interpreter, input_, outputs
