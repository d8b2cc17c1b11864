"""`model.keras` by TensorFlow, on request, as for GPUs. Import this module after the fork only."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from shared.errors import SetupError
from shared.messages.model_card import Card
from worker.runtimes import keras_archive
from worker.runtimes.array_archive import one_line
from worker.runtimes.runtime import (
    Graph,
    Images,
    Outputs,
    empty_outputs,
    image_shape,
    in_calls,
)

#: Images per call. TensorFlow's overhead is larger than LiteRT's, so the card's call size does not
#: apply. A GPU is idle most of the time when called with fewer.
CALL_IMAGES, GPU_CALL_IMAGES = 64, 1024
#: For larger images a call has fewer: activations take memory in proportion to the pixels.
SIDE_PIXELS = 96


def graph(card: Card, artifact: bytes, backbones: Sequence[bytes]) -> TensorFlow:
    """The network of a version, which has no backbones. Raises SetupError: it is refused."""
    return TensorFlow(card, artifact)


class TensorFlow(Graph):
    """A `.keras` file as one compiled function of a fixed shape.

    TensorFlow's kernels depend on the number of images, so each call is padded to that shape: the
    result of an image is the same to the bit in every batch.
    TensorFlow itself reads TF_NUM_INTRAOP_THREADS and TF_NUM_INTEROP_THREADS.
    """

    def __init__(self, card: Card, artifact: bytes, images: int | None = None) -> None:
        """Load the model and run it once. It will be called with few `images`, if this is given.

        Raises:
            SetupError: the file is refused, or does not have the card's shapes.
        """
        gpus = _gpus()
        self._card = card
        shape = image_shape(card)
        most = _call_images(GPU_CALL_IMAGES if gpus else CALL_IMAGES, shape)
        self._call_images = min(most, images or most)
        model = load_model(artifact)
        widths = [width for width in (len(card.labels), card.features) if width]
        outputs = [tuple(output.shape) for output in model.outputs]
        if model.input_shape != (None, *shape) or outputs != [(None, width) for width in widths]:
            raise SetupError(
                f"model.keras of {card.ref} does not have the shapes of its card; publish it again"
            )
        call = tf.TensorSpec((self._call_images, *shape), tf.uint8)
        self._function = tf.function(
            lambda part: keras.tree.flatten(model(part, training=False)), input_signature=[call],
            autograph=False,  # it would write a file, and find nothing to convert
        ).get_concrete_function()  # fmt: skip
        self._model = model  # the function holds its variables weakly
        self.run(np.zeros((1, *shape), np.uint8))

    def run(self, images: Images) -> Outputs:
        """As `Graph.run`."""
        results = empty_outputs(images, self._card)
        for rows, call in in_calls(images, self._call_images, pad=True):
            for result, output in zip(results, self._function(tf.constant(call)), strict=False):
                if result is not None:
                    result[rows] = output.numpy()[: rows.stop - rows.start]
        return results


def load_model(artifact: bytes) -> keras.Model:
    """The Keras model in the bytes of a `.keras` file.

    Raises:
        SetupError: it is refused.
    """
    keras_archive.check(artifact)
    with tempfile.TemporaryDirectory(prefix="hangtag-") as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(artifact)
        try:
            keras_archive.check_arrays(artifact)
            return keras.saving.load_model(path, safe_mode=True, compile=False)
        except Exception as error:  # Keras raises exceptions of any class for a damaged file
            raise SetupError(
                f"the .keras file cannot be loaded ({one_line(error)}); publish the model again"
            ) from error


def _call_images(most: int, shape: tuple[int, int, int]) -> int:
    """The images of a call, at most `most`."""
    return max(1, min(most, most * SIDE_PIXELS**2 // (shape[0] * shape[1])))


def _gpus() -> list[Any]:
    """The GPUs, configured to allocate memory as needed instead of all of it."""
    gpus: list[Any] = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            break  # already configured by the first version in this process
    return gpus
