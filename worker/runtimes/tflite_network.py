"""A `.tflite` file that takes one image a call: of another tool, or a backbone."""

from __future__ import annotations

import hashlib
import threading
from typing import Protocol
from weakref import WeakValueDictionary

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from worker.runtimes.imported_graph import Row, Values
from worker.runtimes.runtime import Images

_VALUES = (np.uint8, np.int8, np.float32)


class TfliteNetwork:
    """A file that takes an image in float32 or uint8, in one thread. Quantized outputs are
    scaled."""

    def __init__(self, artifact: bytes) -> None:
        """Raises ValueError: it cannot be loaded, or does not take one image."""
        try:
            self._interpreter = Interpreter(model_content=artifact, num_threads=1)
            self._interpreter.allocate_tensors()
            # The names in a damaged file may not be UTF-8.
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(f"it has {len(inputs)} inputs and {len(outputs)} outputs")
        self._input, self._output = inputs[0], outputs[0]
        self.shape = tuple(int(side) for side in self._input["shape"])
        self.output_shape = tuple(int(side) for side in self._output["shape"])
        if self._input["dtype"] not in (np.uint8, np.float32) or (
            self._output["dtype"] not in _VALUES
        ):
            raise ValueError("its values are neither float32 nor uint8")
        self.takes_uint8: bool = self._input["dtype"] is np.uint8

    def row(self, values: Values) -> Row:
        """As `Network.row`."""
        try:
            self._interpreter.set_tensor(self._input["index"], values)
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        numbers = self._interpreter.get_tensor(self._output["index"]).reshape(-1)
        if self._output["dtype"] is np.float32:
            return np.asarray(numbers, np.float32)
        scale, zero = self._output["quantization"]
        return np.asarray((numbers.astype(np.float32) - zero) * scale, np.float32)


class BackboneGraph(Protocol):
    """A loaded backbone."""

    shape: tuple[int, ...]  #: of an image
    features: int

    def run(self, image: Images) -> Row:
        """The row of an image uint8 [H, W, 3]; not numbers where the network fails on it."""


class FeatureGraph:
    """A backbone that ships, for one thread."""

    def __init__(self, file: bytes) -> None:
        """Raises ValueError if this is no such file."""
        self._network = TfliteNetwork(file)
        first, *shape = self._network.shape
        one, *width = self._network.output_shape
        is_one = self._network.takes_uint8 and (first, one) == (1, 1)
        if not is_one or (len(shape), len(width)) != (3, 1):
            raise ValueError("it does not turn an image into features")
        self.shape, self.features = tuple(shape), width[0]

    def run(self, image: Images) -> Row:
        """As `BackboneGraph.run`. The image is resized if the input is smaller."""
        return self._network.row(_resized(image, self.shape)[None])


def _resized(image: Images, shape: tuple[int, ...]) -> Images:
    """An image at the size of the input. Of four filters this one lost no accuracy beside decoding
    at that size."""
    if image.shape == shape:
        return image
    height, width, _ = shape
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


_of_thread = threading.local()


def shared(file: bytes) -> FeatureGraph:
    """The graph of this thread for these bytes: the versions that it loads share it.

    Raises:
        ValueError: as FeatureGraph.
    """
    if not hasattr(_of_thread, "graphs"):
        _of_thread.graphs = WeakValueDictionary[str, FeatureGraph]()
    graphs: WeakValueDictionary[str, FeatureGraph] = _of_thread.graphs
    sha256 = hashlib.sha256(file).hexdigest()
    graph = graphs.get(sha256)
    if graph is None:
        graph = graphs[sha256] = FeatureGraph(file)
    return graph
