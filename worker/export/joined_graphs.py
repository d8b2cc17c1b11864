"""Joins `.tflite` graphs: outputs of some become inputs of others, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorflow.lite.tools import flatbuffer_utils


class JoinedGraphs:
    """A graph that begins as `first` and grows; tensors are known by their numbers.

    A constant that several graphs contain is in the file once.
    """

    def __init__(self, first: bytes) -> None:
        self._model = _read(first)
        # They name tensors of the first graph alone.
        self._model.signatureDefs = self._model.metadata = None
        (self._graph,) = self._model.subgraphs
        (self.input,) = _numbers(self._graph.inputs)
        self.outputs = _numbers(self._graph.outputs)  #: of the first graph
        self._buffers: dict[bytes, int] = {}
        for number, buffer in enumerate(self._model.buffers):
            self._buffers.setdefault(_content(buffer), number)

    def add(self, data: bytes, inputs: Sequence[int]) -> list[int]:
        """Append a graph whose inputs, in their order, are these tensors; returns its outputs."""
        model = _read(data)
        (graph,) = model.subgraphs
        known = dict(zip(_numbers(graph.inputs), inputs, strict=True))
        for number, tensor in enumerate(graph.tensors):
            if number not in known:
                tensor.buffer = self._buffer(model.buffers[tensor.buffer])
                known[number] = len(self._graph.tensors)
                self._graph.tensors.append(tensor)
        codes = len(self._model.operatorCodes)
        self._model.operatorCodes += model.operatorCodes
        for operator in graph.operators:
            operator.opcodeIndex += codes
            # An optional input that is absent is -1.
            operator.inputs = [known.get(number, number) for number in _numbers(operator.inputs)]
            operator.outputs = [known[number] for number in _numbers(operator.outputs)]
            self._graph.operators.append(operator)
        return [known[number] for number in _numbers(graph.outputs)]

    def encode(self, outputs: Sequence[int]) -> bytes:
        """The bytes of a `.tflite` file that returns these tensors."""
        self._graph.outputs = list(outputs)
        return bytes(flatbuffer_utils.convert_object_to_bytearray(self._model))

    def _buffer(self, buffer: Any) -> int:
        number = self._buffers.setdefault(_content(buffer), len(self._model.buffers))
        if number == len(self._model.buffers):
            self._model.buffers.append(buffer)
        return number


def _read(data: bytes) -> Any:
    return flatbuffer_utils.read_model_from_bytearray(bytearray(data))


def _numbers(values: Any) -> list[int]:
    return [int(value) for value in values]


def _content(buffer: Any) -> bytes:
    return b"" if buffer.data is None else np.asarray(buffer.data, np.uint8).tobytes()
