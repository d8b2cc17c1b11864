"""`model.tflite` on a CPU by LiteRT: the workers' default. No TensorFlow is imported."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from shared.card import Card
from shared.errors import SetupError
from worker.runtime import Images, Probabilities, image_shape, in_calls

#: A worker has one child per core, so a child takes one core.
THREADS = 1


class LiteRT:
    """A `.tflite` file, allocated once, called with the number of images it was exported for."""

    def __init__(self, card: Card, artifact: bytes) -> None:
        """Load and warm.

        Raises:
            SetupError: this is no `.tflite` file, or not one of the card's shapes.
        """
        self._card = card
        self._interpreter = _interpreter(card, artifact)
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        self._call_images = int(self._input["shape"][0])
        self._check()
        self.predict(np.zeros((1, *image_shape(card)), np.uint8))

    def predict(self, images: Images) -> Probabilities:
        """As `Runtime.predict`."""
        return in_calls(images, self._card, self._call_images, self._call)

    def _call(self, images: Images) -> Probabilities:
        self._interpreter.set_tensor(self._input["index"], images)
        self._interpreter.invoke()
        answers: Probabilities = self._interpreter.get_tensor(self._output["index"])
        return answers

    def _check(self) -> None:
        took = (self._input["dtype"], tuple(self._input["shape"][1:]))
        gave = (self._output["dtype"], tuple(self._output["shape"]))
        wanted = (np.uint8, image_shape(self._card))
        if took != wanted or gave != (np.float32, (self._call_images, len(self._card.labels))):
            raise SetupError(
                f"model.tflite of {self._card.ref} does not have the shapes of its card; "
                "publish it again"
            )


def _interpreter(card: Card, artifact: bytes) -> Interpreter:
    try:
        interpreter = Interpreter(model_content=artifact, num_threads=THREADS)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SetupError(
            f"model.tflite of {card.ref} cannot be loaded ({reason}); publish it again"
        ) from error
    return interpreter
