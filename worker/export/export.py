"""A trained network becomes the files that serve: `model.keras` and `model.tflite`.

Scaling, temperature and softmax are inside the graph, so that every runtime agrees; that they do
is checked before the files leave.
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

#: Two runtimes round differently; more than this is a fault.
PROBABILITY_TOLERANCE = 1e-4
#: Two probabilities that each moved by the tolerance may swap their places.
MARGIN_TOLERANCE = 2 * PROBABILITY_TOLERANCE


def export(network: keras.Model, card: Card, heldout: Images) -> dict[str, bytes]:
    """The files of a version, by name; the card's temperature goes into the graph.

    Raises:
        SetupError: the two runtimes do not agree on the held-out images uint8 [n, H, W, C].
    """
    model = serving_model(network, card.temperature)
    files = {"model.keras": keras_file(model), "model.tflite": tflite_file(model, card)}
    with tf.device("CPU"):  # a GPU rounds otherwise, and by more than the two runtimes may differ
        answers = [
            load_runtime.load(kind, card, files[name]).predict(heldout)
            for kind, name in runtime.ARTIFACTS.items()
        ]
    compare(*answers)
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
    """The bytes of a `.tflite` file of LiteRT's own operations, for calls of `CALL_IMAGES`."""
    images = keras.InputSpec("uint8", (CALL_IMAGES, *image_shape(card)))
    with tempfile.TemporaryDirectory(prefix="hangtag-") as folder:
        model.export(folder, "tf_saved_model", verbose=False, input_signature=[images])
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        data: bytes = converter.convert()
    return data


def compare(first: Probabilities, second: Probabilities) -> None:
    """Let two runtimes' answers float32 [n, classes] to the same images pass if they agree.

    Raises:
        SetupError: a probability, or a label that is not a near tie, differs.
    """
    apart = float(np.abs(first - second).max())  # NaN where a runtime answers NaN
    top = np.sort(first, axis=1)
    clear = top[:, -1] - top[:, -2] >= MARGIN_TOLERANCE
    swapped = int((clear & (first.argmax(1) != second.argmax(1))).sum())
    if not apart < PROBABILITY_TOLERANCE or swapped:
        raise SetupError(
            f"LiteRT and TensorFlow disagree (probabilities by {apart:.1e}, {swapped} labels); "
            "the version is refused, train it again with another recipe"
        )
