"""`model.tflite` on a CPU by LiteRT: the workers' default. No TensorFlow is imported."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from shared.errors import SetupError
from shared.messages.model_card import Card
from worker.runtimes.runtime import (
    Images,
    Probabilities,
    empty_probabilities,
    image_shape,
    in_calls,
)

#: A worker has one child per core, so a child uses one core.
THREADS = 1


#: Call sizes that are compared with a full call. Some libraries have special kernels for one image,
#: and three is an odd number.
PROBE_IMAGES = (1, 3)


class LiteRT:
    """A `.tflite` file, called with at most the number of images that it was exported for.

    The cost of a smaller call is proportional to its images. A graph whose results depend on the
    call size, or whose size is fixed, gets full calls with padding.
    """

    def __init__(self, card: Card, artifact: bytes) -> None:
        """Load the model and run it once.

        Raises:
            SetupError: this is no `.tflite` file, or its shapes differ from the card's.
        """
        self._card = card
        self._interpreter, self._input, self._output = _loaded(card, artifact)
        self._call_images = self._images = int(self._input["shape"][0])
        self._check()
        self._resizable = self._same_bits_in_small_calls()

    def predict(self, images: Images) -> Probabilities:
        """As `Runtime.predict`."""
        results = empty_probabilities(images, self._card)
        for rows, call in in_calls(images, self._call_images, pad=not self._resizable):
            self._resize(len(call))
            results[rows] = self._invoke(call)[: rows.stop - rows.start]
        return results

    def _invoke(self, images: Images) -> Probabilities:
        self._interpreter.set_tensor(self._input["index"], images)
        self._interpreter.invoke()
        probabilities: Probabilities = self._interpreter.get_tensor(self._output["index"])
        return probabilities

    def _resize(self, count: int) -> None:
        if count != self._images:
            shape = (count, *image_shape(self._card))
            self._interpreter.resize_tensor_input(self._input["index"], shape)
            self._interpreter.allocate_tensors()
            self._images = count

    def _same_bits_in_small_calls(self) -> bool:
        shape = (self._call_images, *image_shape(self._card))
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        whole = self._invoke(images)
        try:
            for count in PROBE_IMAGES:
                self._resize(count)
                if not np.array_equal(self._invoke(images[:count]), whole[:count]):
                    raise RuntimeError("results differ in bits or shape")
        except (RuntimeError, ValueError):
            self._images = 0  # unknown after a resize that failed
            self._resize(self._call_images)
            return False
        return True

    def _check(self) -> None:
        input_form = (self._input["dtype"], tuple(self._input["shape"][1:]))
        output_form = (self._output["dtype"], tuple(self._output["shape"]))
        expected_output = (np.float32, (self._call_images, len(self._card.labels)))
        expected_input = (np.uint8, image_shape(self._card))
        if input_form != expected_input or output_form != expected_output:
            raise SetupError(
                f"model.tflite of {self._card.ref} does not have the shapes of its card; "
                "publish it again"
            )


def _loaded(card: Card, artifact: bytes) -> tuple[Interpreter, dict[str, Any], dict[str, Any]]:
    """The interpreter, and the details of its only input and its only output."""
    try:
        interpreter = Interpreter(model_content=artifact, num_threads=THREADS)
        interpreter.allocate_tensors()
        # The names in a damaged file may not be UTF-8.
        (input_,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SetupError(
            f"model.tflite of {card.ref} cannot be loaded ({reason}); publish it again"
        ) from error
    return interpreter, input_, output
