"""Converts a third-party Keras classifier to Hangtag's form: uint8 images in, logits out.

The file is checked before Keras reads it (worker/runtimes/keras_archive.py), and loaded in safe
mode.
"""

from __future__ import annotations

import keras
import numpy as np

from shared.errors import SetupError
from shared.messages.model_card import SCALES, Scale
from worker.datasets.examples import Images
from worker.runtimes import keras_archive
from worker.runtimes.imported_graph import SMALLEST, are_probabilities
from worker.runtimes.tensorflow_runtime import load_model

CHANNELS = (1, 3)
#: Dimensions of [n, H, W]: grey images without a channel, common in tutorials.
WITHOUT_CHANNEL = 3
#: Number of images that decide whether outputs are probabilities.
PROBES = 64
#: Rows of float32 probabilities add up to 1 within this, also for a thousand classes.
SUM_TOLERANCE = 1e-3


def network(archive: bytes, classes: int, scale: Scale) -> keras.Model:
    """uint8 [n, H, W, C] to float32 logits [n, classes], from the bytes of a `.keras` file.

    Raises:
        SetupError: the content is not allowed, or the network is not an image classifier with this
            number of labels.
    """
    loaded = load_model(keras_archive.for_inference(archive))
    _check_shapes(loaded, classes)
    # A unique name, so that it does not collide with that of an outer layer.
    inner = keras.Model(loaded.inputs[0], loaded.outputs[0], name="imported")
    images = keras.Input(_image_shape(loaded), dtype="uint8", name="images")
    values = _scaled(inner, images, scale)
    if len(loaded.input_shape) == WITHOUT_CHANNEL:
        values = keras.layers.Reshape(loaded.input_shape[1:], name="grey")(values)
    outputs = keras.layers.Rescaling(1.0, dtype="float32", name="answers")(inner(values))
    return keras.Model(images, _logits(keras.Model(images, outputs), inner), name="imported_logits")


def _check_shapes(model: keras.Model, classes: int) -> None:
    """One input [n, H, W, C] or [n, H, W] of a fixed size, one output [n, classes]."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise SetupError(
            f"the network has {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
            "import one that takes an image and returns a value for each label"
        )
    taken, given = model.input_shape, model.output_shape
    shape = _image_shape(model)
    if len(shape) != 3 or None in shape or shape[2] not in CHANNELS:
        raise SetupError(
            f"the network takes {_formatted(taken)}; import one that takes images "
            "[n, height, width, channels] of a fixed size with 1 or 3 channels, "
            "or grey ones [n, height, width]"
        )
    if len(given) != 2 or given[1] != classes:
        raise SetupError(
            f"the network returns {_formatted(given)}, and there are {classes} labels; "
            "give one label for each value, in the order of the network's output"
        )


def _image_shape(model: keras.Model) -> tuple[int | None, ...]:
    """Height, width and channels, if the input is an image."""
    shape: tuple[int | None, ...] = model.input_shape
    return (*shape[1:], 1) if len(shape) == WITHOUT_CHANNEL else shape[1:]


def _scaled(inner: keras.Model, images: keras.KerasTensor, scale: Scale) -> keras.KerasTensor:
    factor, offset = SCALES[scale]
    if keras.backend.is_int_dtype(inner.input.dtype):
        if scale == "0-255":
            return images
        raise SetupError(
            f"the network takes {inner.input.dtype}, so its values are 0 to 255; leave --scale out"
        )
    return keras.layers.Rescaling(factor, offset, name="scale")(images)


def _logits(model: keras.Model, inner: keras.Model) -> keras.KerasTensor:
    """The logits of a model that returns logits or probabilities.

    Raises:
        SetupError: it returns neither.
    """
    images = probes(model.input_shape[1:])
    # One by one: a large image may take more than a gigabyte.
    outputs = [model.predict_on_batch(images[n : n + 1]) for n in range(len(images))]
    if are_probabilities(np.concatenate(outputs), SUM_TOLERANCE):
        return keras.ops.log(keras.ops.maximum(model.output, SMALLEST))
    activation = last_activation(inner)
    if activation != "linear":
        raise SetupError(
            f"the network ends in {activation}, and its outputs do not add up to 1; "
            "import one that ends in softmax, or in a Dense layer without an activation"
        )
    return model.output


def last_activation(model: keras.Model) -> str:
    """The activation of the output layer, `linear` if it has none."""
    layer = model.output._keras_history.operation
    if isinstance(layer, keras.Model):
        return last_activation(layer)
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    if isinstance(layer, keras.layers.ReLU | keras.layers.LeakyReLU):
        return "relu"
    activation = getattr(layer, "activation", None)
    return "linear" if activation is None else str(getattr(activation, "__name__", activation))


def probes(shape: tuple[int, int, int]) -> Images:
    """The same images on every run, uint8 [PROBES, *shape]: coarse and fine noise, black, white.

    Black and white expose a wrong scale.
    """
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (PROBES, *shape), np.uint8)
    coarse = rng.integers(0, 256, (PROBES // 2, 1, 1, shape[2]), np.uint8)
    images[: PROBES // 2] = images[: PROBES // 2] // 4 + coarse // 4 * 3
    images[0], images[1] = 0, 255
    return images


def _formatted(shape: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("n" if side is None else str(side) for side in shape) + "]"
