"""`.tflite` files in the layouts of Teachable Machine, drawn: the answers of drawn_networks."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

from tests.support.models.drawn_networks import BIAS, LABELS, WEIGHTS

SIDE = 16
#: As Teachable Machine writes labels.txt.


_function: Any = tf.function(input_signature=[tf.TensorSpec((1, SIDE, SIDE, 3), tf.float32)])


@cache
def file(is_quantized: bool = False) -> bytes:
    """A network of values -1 to 1, or of whole numbers if it is quantized, that ends in softmax."""
    return _converted(WEIGHTS, BIAS, is_quantized)


def _converted(weights: np.ndarray, bias: np.ndarray, is_quantized: bool) -> bytes:
    def network(images: Any) -> Any:
        means = tf.reduce_mean(images, axis=[1, 2]) / 2 + 0.5
        return tf.nn.softmax(means @ tf.constant(weights) + tf.constant(bias))

    converter: Any = tf.lite.TFLiteConverter.from_concrete_functions(
        [_function(network).get_concrete_function()], tf.Module()
    )
    if is_quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = _images
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    data: bytes = converter.convert()
    return data


def with_labels(data: bytes) -> bytes:
    """The file with an archive behind it that has the labels, as metadata of TensorFlow Lite."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("labels.txt", "\n".join(LABELS))
    return data + archive.getvalue()


def _images() -> Iterator[list[np.ndarray]]:
    for number in range(64):
        colour = np.random.default_rng(number).uniform(-1, 1, 3)
        yield [np.broadcast_to(colour, (1, SIDE, SIDE, 3)).astype(np.float32)]


@cache
def loop() -> bytes:
    """A network with a loop whose rounds its input decides."""

    def network(images: Any) -> Any:
        def again(total: Any) -> Any:
            return (total + tf.reduce_mean(images),)

        [total] = tf.while_loop(lambda total: total < 4.0, again, (tf.constant(0.0),))
        return tf.ones((1, len(LABELS))) * total

    converter: Any = tf.lite.TFLiteConverter.from_concrete_functions(
        [_function(network).get_concrete_function()], tf.Module()
    )
    data: bytes = converter.convert()
    return data
