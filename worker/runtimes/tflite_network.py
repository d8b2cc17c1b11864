"""The features of one image a call: the interface of backbones, and those in LiteRT."""

from __future__ import annotations

import hashlib
import threading
from typing import Protocol
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from worker.runtimes.runtime import Images

Row = npt.NDArray[np.float32]  #: [features] of one image


class BackboneGraph(Protocol):
    """A loaded backbone."""

    shape: tuple[int, ...]  #: of an image
    features: int

    def run(self, image: Images) -> Row:
        """The row of an image uint8 [H, W, 3]; not numbers where the network fails on it."""


class FeatureGraph:
    """A `.tflite` file that has a row of numbers for an image, for one thread."""

    def __init__(self, file: bytes) -> None:
        """Raises ValueError if this is no such file."""
        try:
            self._interpreter = Interpreter(model_content=file, num_threads=1)
            self._interpreter.allocate_tensors()
            # The names in a damaged file may not be UTF-8.
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        forms = [(one["dtype"], len(one["shape"]), one["shape"][0]) for one in inputs + outputs]
        if forms != [(np.uint8, 4, 1), (np.float32, 2, 1)]:
            raise ValueError("it does not turn an image into features")
        self.shape: tuple[int, ...] = tuple(inputs[0]["shape"].tolist()[1:])  #: of an image
        self.features = int(outputs[0]["shape"][1])
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]

    def run(self, image: Images) -> Row:
        """As `BackboneGraph.run`. The image is resized if the input is smaller."""
        self._interpreter.set_tensor(self._input, _resized(image, self.shape)[None])
        self._interpreter.invoke()
        features: Row = self._interpreter.get_tensor(self._output)[0]
        return features


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
