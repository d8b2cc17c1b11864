"""Exports a trained network to the files that workers load: `model.keras` and `model.tflite`.

Scaling, temperature and softmax are inside the graph, so that all runtimes agree. The export
checks this.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from shared.errors import SetupError
from shared.messages.model_card import Card
from worker.runtimes import load_runtime, runtime
from worker.runtimes.runtime import CALL_IMAGES, Images, Probabilities, image_shape

#: Two runtimes round differently; a larger difference is an error.
PROBABILITY_TOLERANCE = 1e-4
#: Two probabilities that each differ by the tolerance may swap their order.
MARGIN_TOLERANCE = 2 * PROBABILITY_TOLERANCE


def export(network: keras.Model, card: Card, heldout: Images) -> dict[str, bytes]:
    """The files of a version, by name; the graph contains the card's temperature.

    Raises:
        SetupError: the two runtimes do not agree on the held-out images uint8 [n, H, W, C].
    """
    model = serving_model(network, card.temperature)
    files = {"model.keras": keras_file(model), "model.tflite": tflite_file(model, card)}
    with tf.device("CPU"):  # a GPU's rounding differs by more than the tolerance
        predictions = [
            load_runtime.load(kind, card, files[name]).predict(heldout)
            for kind, name in runtime.ARTIFACTS.items()
        ]
    compare(*predictions)
    return files


def serving_model(network: keras.Model, temperature: float) -> keras.Model:
    """uint8 images in, probabilities out; shares its weights with `network` (logits out)."""
    cooled = keras.layers.Rescaling(1 / temperature, name="temperature")(network.output)
    probabilities = keras.layers.Softmax(name="probabilities")(cooled)
    return keras.Model(network.input, probabilities, name=network.name)


def keras_file(model: keras.Model) -> bytes:
    """The bytes of a `.keras` file."""
    with tempfile.TemporaryDirectory(prefix="hangtag-") as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        return path.read_bytes()


def tflite_file(model: keras.Model, card: Card) -> bytes:
    """The bytes of a `.tflite` file of LiteRT's builtin operations, for calls of `CALL_IMAGES`."""
    images = keras.InputSpec("uint8", (CALL_IMAGES, *image_shape(card)))
    with tempfile.TemporaryDirectory(prefix="hangtag-") as folder:
        model.export(folder, "tf_saved_model", verbose=False, input_signature=[images])
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        data: bytes = converter.convert()
    return data


def compare(first: Probabilities, second: Probabilities) -> None:
    """Check that two runtimes' predictions float32 [n, classes] for the same images agree.

    Raises:
        SetupError: a probability, or a label that is not a near tie, differs.
    """
    difference = float(np.abs(first - second).max())  # NaN if a runtime returns NaN
    top = np.sort(first, axis=1)
    clear = top[:, -1] - top[:, -2] >= MARGIN_TOLERANCE
    swapped = int((clear & (first.argmax(1) != second.argmax(1))).sum())
    if not difference < PROBABILITY_TOLERANCE or swapped:
        raise SetupError(
            f"LiteRT and TensorFlow disagree (probabilities by {difference:.1e}, "
            f"{swapped} labels); the version is refused, train it again with another recipe"
        )
