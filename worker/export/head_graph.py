"""Puts a linear head behind a backbone: in one `.tflite` file and in one Keras network.

The head is appended to the converted graph. So its weights stay float32 behind an int8 backbone,
whose bits are those that the head was fitted to.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

Weights = npt.NDArray[np.float32]  #: [features, classes]
Bias = npt.NDArray[np.float32]  #: [classes]


def with_head(backbone: bytes, weights: Weights, bias: Bias) -> bytes:
    """The graph of a backbone (image in, features out) with two outputs: logits, features."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(backbone))
    (graph,) = model.subgraphs
    (features,) = graph.outputs
    kernel = _tensor(model, graph, "head/weights", np.ascontiguousarray(weights.T))
    offset = _tensor(model, graph, "head/bias", bias)
    logits = _output(graph, "logits", len(bias))
    graph.operators.append(_fully_connected(model, [features, kernel, offset], logits))
    graph.outputs = [logits, features]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def keras_with_head(backbone: keras.Model, weights: Weights, bias: Bias) -> keras.Model:
    """The Keras model of a backbone with this head, with the same two outputs."""
    head = keras.layers.Dense(len(bias), name="logits", dtype="float32")
    logits = head(backbone.output)
    head.set_weights([weights, bias])
    return keras.Model(backbone.input, [logits, backbone.output], name="photo")


def _tensor(model: Any, graph: Any, name: str, values: npt.NDArray[np.float32]) -> int:
    """Add a constant; its number."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.astype("<f4").tobytes(), np.uint8)
    model.buffers.append(buffer)
    return _add(graph, name, list(values.shape), len(model.buffers) - 1)


def _output(graph: Any, name: str, values: int) -> int:
    number = _add(graph, name, [1, values], 0)  # buffer 0 is empty: computed
    graph.tensors[number].shapeSignature = [-1, values]
    return number


def _add(graph: Any, name: str, shape: list[int], buffer: int) -> int:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name.encode(), shape, buffer
    tensor.type = schema.TensorType.FLOAT32
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _fully_connected(model: Any, inputs: list[int], output: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 1
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = inputs, [output]
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    return operator
