"""`model.onnx` on a CPU by ONNX Runtime. This is the only module that imports it."""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import msgspec
import numpy as np

# Published wheels start a thread that keeps events in the user's cache, unless this is set first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

from shared.errors import SetupError
from shared.messages.model_card import Card, ImportedNetwork, Preprocessing
from shared.runtimes import ONNX
from worker.runtimes.array_archive import array, one_line
from worker.runtimes.imported_graph import (
    DRAWN_IMAGES,
    Converter,
    ImportedGraph,
    Row,
    Values,
    drawn,
    refused,
)
from worker.runtimes.photo_runtime import Photo
from worker.runtimes.runtime import Graph, Images, image_shape

log = logging.getLogger(__name__)

#: Largest difference from the outputs beside the file, as a share of the largest of these.
TOLERANCE = 1e-3
#: Errors are raised, too.
_FATAL_ONLY = 4
#: Exceptions for a lack of memory have the same class as others.
_OUT_OF_MEMORY = ("Failed to allocate memory", "bad_alloc", "bad allocation")
_TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


def graph(card: Card, artifact: bytes, beside: Sequence[bytes]) -> Graph:
    """The network of a version. `beside` are its outputs for drawn images, from which this
    processor must not differ, and the head if it is a backbone.

    Raises:
        SetupError: it is refused.
    """
    assert card.imported is not None
    outputs, *of_head = beside
    try:
        if card.looks:
            spec, width = card.preprocessing, card.features
            backbone = features(card.ref, card.imported, spec, width, artifact, outputs)
            return Photo(card, of_head[0], [backbone])
        network = _opened(
            card.ref, card.imported, image_shape(card), len(card.labels), artifact, outputs
        )
        return ImportedGraph(card, network)
    except ValueError as error:
        raise refused(card, error) from error


def _opened(
    name: str,
    imported: ImportedNetwork,
    shape: tuple[int, int, int],
    width: int,
    artifact: bytes,
    outputs: bytes,
) -> OnnxNetwork:
    """A network that has these outputs [DRAWN_IMAGES, width] for the drawn images: without VNNI,
    products of uint8 and int8 saturate.

    Raises:
        ValueError: a file is damaged.
        SetupError: it has other outputs on this processor.
    """
    expected = array(io.BytesIO(outputs), ONNX.beside, (DRAWN_IMAGES, width))
    for is_exact in (False, True):
        network = OnnxNetwork(artifact, imported.output, is_exact=is_exact)
        converter = Converter(imported, network.takes_uint8)
        found = np.stack([network.row(converter.values(image)) for image in drawn(shape)])
        if agree(found, expected):
            return network
    raise SetupError(
        f"{name} returns other values on this processor than where it was imported; "
        "classify with workers on another machine"
    )


#: Of this process, by what they were made of.
_backbones = WeakValueDictionary[str, "OnnxFeatures"]()


def features(
    name: str,
    imported: ImportedNetwork,
    spec: Preprocessing,
    width: int,
    artifact: bytes,
    outputs: bytes,
) -> OnnxFeatures:
    """A backbone, which the threads and versions of a process share. Raises as `_opened`."""
    form = hashlib.sha256(msgspec.json.encode((imported, spec, width)) + outputs).hexdigest()
    key = form + hashlib.sha256(artifact).hexdigest()
    backbone = _backbones.get(key)
    if backbone is None:
        shape = (spec.height, spec.width, spec.channels)
        network = _opened(name, imported, shape, width, artifact, outputs)
        backbone = _backbones[key] = OnnxFeatures(network, imported, shape, width)
    return backbone


class OnnxFeatures:
    """A backbone in an ONNX file, for any thread."""

    def __init__(
        self,
        network: OnnxNetwork,
        imported: ImportedNetwork,
        shape: tuple[int, int, int],
        width: int,
    ) -> None:
        self._network, self._converter = network, Converter(imported, network.takes_uint8)
        self.shape: tuple[int, ...] = shape
        self.features = width

    def run(self, image: Images) -> Row:
        """As `BackboneGraph.run`."""
        try:
            return self._network.row(self._converter.values(image))
        except (ValueError, MemoryError) as error:
            log.warning("a backbone has no features for an image: %s", one_line(error))
            return np.full(self.features, np.nan, np.float32)


def agree(found: Any, expected: Any) -> bool:
    """Whether outputs float32 [n, classes] are those of the file as far as rounding allows."""
    if found.shape != expected.shape:
        raise ValueError("its outputs have another shape than those beside it")
    return bool(np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max())


class OnnxNetwork:
    """An ONNX file that takes an image in float32 or uint8, in one thread."""

    def __init__(self, artifact: bytes, output: str = "", *, is_exact: bool) -> None:
        """Open it. `output`: the name of the one that counts, of several. `is_exact`: with products
        of int8 values that are the same on every processor.

        Raises:
            ValueError: it cannot be loaded, or does not take one image.
            MemoryError: memory is lacking.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY
        # The same bytes can also be a file of ONNX Runtime's own format, which no check reads.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        if is_exact:
            options.add_session_config_entry("session.x64quantprecision", "1")
        self._session = _called(
            onnxruntime.InferenceSession, artifact, options, providers=["CPUExecutionProvider"]
        )
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if output:
            outputs = [one for one in outputs if one.name == output]
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(f"it has {len(inputs)} inputs and {len(outputs)} outputs")
        self._input, self._output = inputs[0], outputs[0].name
        if self._input.type not in _TYPES or outputs[0].type != "tensor(float)":
            raise ValueError("its values are neither float32 nor uint8")
        self.takes_uint8 = _TYPES[self._input.type] is np.uint8
        first = self._input.shape[0] if self._input.shape else None
        self._images = first if isinstance(first, int) else 1

    def row(self, values: Values) -> Row:
        """As `Network.row`. A fixed batch is filled with the same image."""
        whole = np.repeat(values, self._images, axis=0)
        [outputs] = _called(self._session.run, [self._output], {self._input.name: whole})
        if not isinstance(outputs, np.ndarray) or len(outputs) != self._images:
            raise ValueError("it does not return a row for each image")
        return np.asarray(outputs[0], np.float32).reshape(-1)


def _called(function: Any, *arguments: Any, **named: Any) -> Any:
    """What a function of ONNX Runtime returns. Its exceptions have no class in common.

    Raises:
        ValueError: it fails.
        MemoryError: memory is lacking.
    """
    try:
        return function(*arguments, **named)
    except Exception as error:
        if any(text in str(error) for text in _OUT_OF_MEMORY):
            raise MemoryError("ONNX Runtime lacks memory") from error
        raise ValueError(one_line(error)) from error
