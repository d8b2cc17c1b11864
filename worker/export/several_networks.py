"""Makes one graph of several networks, so that workers load and run them as any other version.

Each network gets the image of the first; one for smaller images gets it downscaled within the
graph. A combination is a Keras model with the networks' logits as inputs and logits as output; a
new one is a function beside `mean_of_probabilities`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from shared.messages.model_card import Card
from shared.runtimes import LITERT, TENSORFLOW, RuntimeKind
from worker.datasets.examples import Images
from worker.evaluation.metrics import SMALLEST_PROBABILITY
from worker.export import convert
from worker.export.export import KERAS, TFLITE, check_agreement
from worker.export.joined_graphs import JoinedGraphs
from worker.runtimes import load_runtime
from worker.runtimes.classifier import probabilities
from worker.runtimes.runtime import Logits, image_shape
from worker.runtimes.tensorflow_runtime import load_model

Shape = tuple[int, int, int]  #: height, width, channels


class Part(NamedTuple):
    """A version whose network becomes a part of another version."""

    card: Card
    files: Mapping[str, bytes]


def mean_of_probabilities(
    classes: int, temperatures: Sequence[float], weights: Sequence[float]
) -> keras.Model:
    """The logarithm of the weighted mean of the networks' probabilities."""
    inputs = [keras.Input((classes,)) for _ in weights]
    parts = [
        keras.layers.Rescaling(weight)(
            keras.layers.Softmax()(keras.layers.Rescaling(1 / temperature)(logits))
        )
        for logits, temperature, weight in zip(inputs, temperatures, weights, strict=True)
    ]
    # Probabilities in float32 may be 0.
    mean = keras.layers.Rescaling(1.0, SMALLEST_PROBABILITY)(keras.layers.Add()(parts))
    return keras.Model(inputs, keras.ops.log(mean))


def joined(
    card: Card, parts: Sequence[Part], combination: keras.Model, probes: Images
) -> dict[str, bytes]:
    """The files that runtimes load, of which each does with `probes` what its parts do.

    They take the images of the first part, which are the largest, and return its features, too, if
    it has any; `card` describes them.

    Raises:
        SetupError: a file does something else.
    """
    files = {KERAS: _keras_file(parts, combination), TFLITE: _tflite_file(parts, combination)}
    for row in (LITERT, TENSORFLOW):
        logits = [_logits(row, part, probes) for part in parts]
        expected = combination([tf.constant(one) for one in logits]).numpy()
        found = load_runtime.load(row.name, card, files[row.artifact]).predict(probes)
        check_agreement(found, probabilities(expected, card.temperature))
    return files


def _logits(row: RuntimeKind, part: Part, images: Images) -> Logits:
    scaled = downscaled if row is LITERT else _downscaled_in_keras
    small = scaled(images, image_shape(part.card))
    return load_runtime.load(row.name, part.card, part.files[row.artifact]).logits(small)


def downscaled(images: Images, size: Shape) -> Images:
    """What a network for images of this size gets of larger ones in LiteRT: uint8 [n, H, W, C].

    TensorFlow rounds some values differently.
    """
    shape: Shape = images.shape[1:]
    if shape == size:
        return images
    graph = Interpreter(model_content=_downscaling_file(shape, size), num_threads=1)
    graph.allocate_tensors()
    [source], [result] = graph.get_input_details(), graph.get_output_details()
    smaller = np.empty((len(images), *size), np.uint8)
    for number in range(len(images)):
        graph.set_tensor(source["index"], np.ascontiguousarray(images[number : number + 1]))
        graph.invoke()
        smaller[number] = graph.get_tensor(result["index"])[0]
    return smaller


def _downscaled_in_keras(images: Images, size: Shape) -> Images:
    shape: Shape = images.shape[1:]
    if shape == size:
        return images
    smaller: Images = tf.cast(_downscaling(shape, size)(images), tf.uint8).numpy()
    return smaller


def _downscaling(shape: Shape, size: Shape) -> keras.Model:
    """Means of whole pixels, so that no detail becomes a pattern, and then bilinear. A cast to
    integers rounds its values."""
    images = keras.Input(shape, dtype="uint8")
    whole = (shape[0] // size[0], shape[1] // size[1])
    means = keras.layers.AveragePooling2D(whole)(keras.layers.Rescaling(1.0)(images))
    scaled = keras.layers.Resizing(*size[:2])(means)
    return keras.Model(images, keras.layers.Rescaling(1.0, 0.5)(scaled))


def _keras_file(parts: Sequence[Part], combination: keras.Model) -> bytes:
    shape = image_shape(parts[0].card)
    images = keras.Input(shape, dtype="uint8", name="images")
    outputs = []
    for number, part in enumerate(parts, 1):
        loaded, size = load_model(part.files[KERAS]), image_shape(part.card)
        network = keras.Model(loaded.inputs, loaded.outputs, name=f"network_{number}")
        # A network casts its input to integers.
        small = images if size == shape else _downscaling(shape, size)(images)
        outputs.append(keras.tree.flatten(network(small)))
    logits = combination([logits for logits, *_ in outputs])
    return convert.keras_file(keras.Model(images, [logits, *outputs[0][1:]]))


def _tflite_file(parts: Sequence[Part], combination: keras.Model) -> bytes:
    first, *others = parts
    graph = JoinedGraphs(first.files[TFLITE])
    logits, *features = graph.outputs
    all_logits = [logits]
    for part in others:
        images, shape, size = graph.input, image_shape(first.card), image_shape(part.card)
        if size != shape:
            [images] = graph.add(_downscaling_file(shape, size), [images])
        all_logits.append(graph.add(part.files[TFLITE], [images])[0])
    [combined] = graph.add(_combination_file(combination), all_logits)
    return graph.encode([combined, *features])


def _downscaling_file(shape: Shape, size: Shape) -> bytes:
    network = _downscaling(shape, size)
    images = tf.TensorSpec([None, *shape], tf.uint8, "images")
    return convert.fp32_file(
        convert.frozen_function(lambda batch: tf.cast(network(batch), tf.uint8), [images])
    )


def _combination_file(combination: keras.Model) -> bytes:
    logits = [
        tf.TensorSpec([None, *tensor.shape[1:]], tf.float32, f"logits_{number}")
        for number, tensor in enumerate(combination.inputs)
    ]
    return convert.fp32_file(
        convert.frozen_function(lambda *batches: combination(list(batches)), logits)
    )
