"""Converts a network (uint8 images in, logits out) to the files that runtimes load."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from worker.datasets.examples import Images

#: Images whose activations give the ranges of the int8 values. With more, outliers widen the
#: ranges: the divergence from fp32 was 0.00020 nats with 128, 0.00021 with 512, 0.00023 with 2,048.
CALIBRATION_IMAGES = 128

Frozen = Any  #: TensorFlow's ConcreteFunction, which has no types


def keras_file(network: keras.Model) -> bytes:
    """The bytes of a `.keras` file."""
    with tempfile.TemporaryDirectory(prefix="hangtag-") as folder:
        path = Path(folder, "model.keras")
        network.save(path)
        return path.read_bytes()


def frozen(network: keras.Model) -> Frozen:
    """The network as a graph with constants, which takes its time and serves several files.

    With variables instead of constants, the calibration for int8 fails.
    """
    images = tf.TensorSpec([None, *network.input.shape[1:]], tf.uint8, "images")
    # Without control flow in Python there is nothing for AutoGraph to convert.
    traced = tf.function(
        lambda batch: network(batch, training=False), input_signature=[images], autograph=False
    )
    return convert_variables_to_constants_v2(traced.get_concrete_function())


def fp32_file(graph: Frozen) -> bytes:
    """The bytes of a `.tflite` file of LiteRT's builtin operations, for calls of any size."""
    return _converted(_converter(graph))


def int8_file(graph: Frozen, calibration: Images) -> bytes:
    """The same in int8: weights and activations. The ranges are those of `calibration` [n, ...]."""

    def examples() -> Iterator[list[Images]]:
        for number in range(len(calibration)):
            yield [calibration[number : number + 1]]

    converter = _converter(graph)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = examples
    with warnings.catch_warnings():  # the input is uint8 already, so it has no statistics
        warnings.filterwarnings("ignore", "Statistics for quantized inputs", UserWarning)
        return _converted(converter)


def _converter(graph: Frozen) -> Any:
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter


def _converted(converter: Any) -> bytes:
    data: bytes = converter.convert()
    return data
