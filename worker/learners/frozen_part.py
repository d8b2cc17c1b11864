"""The blocks of a network that do not learn, run by LiteRT: twice as fast as by Keras."""

from __future__ import annotations

import threading
from functools import cached_property

import keras
import numpy as np

from worker.datasets.examples import Images
from worker.export import convert
from worker.runtimes.feature_graph import FeatureGraph

#: The type of what they compute: half as large as float32, and logits differ by 1e-4 of the
#: largest.
STORED = "float16"


class FrozenPart:
    """uint8 images [n, H, W, C] to the bytes of the values that the learned part reads, uint8
    [n, bytes]. Several threads may call it at once."""

    def __init__(self, network: keras.Model) -> None:
        self._network = network
        self._lock = threading.Lock()
        self._unused: list[FeatureGraph] = []

    def __call__(self, images: Images) -> Images:
        graph = self._taken()
        rows = np.stack([graph.run(image) for image in images])
        self._unused.append(graph)
        return rows.astype(STORED).view(np.uint8)

    def _taken(self) -> FeatureGraph:
        with self._lock:
            return self._unused.pop() if self._unused else FeatureGraph(self._file)

    @cached_property
    def _file(self) -> bytes:
        return convert.fp32_file(convert.frozen(self._network))
