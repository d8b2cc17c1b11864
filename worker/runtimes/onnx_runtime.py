"""`model.onnx` on a CPU by ONNX Runtime. This is the only module that imports it."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

# Published wheels start a thread that keeps events in the user's cache, unless this is set first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

from shared.errors import SetupError
from shared.messages.model_card import Card
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
from worker.runtimes.runtime import image_shape

#: Largest difference from the outputs beside the file, as a share of the largest of these.
TOLERANCE = 1e-3
#: Errors are raised, too.
_FATAL_ONLY = 4
#: Exceptions for a lack of memory have the same class as others.
_OUT_OF_MEMORY = ("Failed to allocate memory", "bad_alloc", "bad allocation")
_TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


def graph(card: Card, artifact: bytes, beside: Sequence[bytes]) -> ImportedGraph:
    """The network of a version. `beside` are its outputs for drawn images, from which this
    processor must not differ: without VNNI, products of uint8 and int8 saturate.

    Raises:
        SetupError: it is refused.
    """
    assert card.imported is not None
    try:
        form = (DRAWN_IMAGES, len(card.labels))
        [expected] = (array(io.BytesIO(data), ONNX.beside, form) for data in beside)
        for is_exact in (False, True):
            network = OnnxNetwork(artifact, is_exact=is_exact)
            converter = Converter(card.imported, network.takes_uint8)
            images = drawn(image_shape(card))
            found = np.stack([network.row(converter.values(image)) for image in images])
            if agree(found, expected):
                return ImportedGraph(card, network)
    except ValueError as error:
        raise refused(card, error) from error
    raise SetupError(
        f"{card.ref} returns other values on this processor than where it was imported; "
        "classify with workers on another machine"
    )


def agree(found: Any, expected: Any) -> bool:
    """Whether outputs float32 [n, classes] are those of the file as far as rounding allows."""
    if found.shape != expected.shape:
        raise ValueError("its outputs have another shape than those beside it")
    return bool(np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max())


class OnnxNetwork:
    """An ONNX file that takes an image in float32 or uint8, in one thread."""

    def __init__(self, artifact: bytes, *, is_exact: bool) -> None:
        """Open it. `is_exact`: with products of int8 values that are the same on every processor.

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
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(f"it has {len(inputs)} inputs and {len(outputs)} outputs")
        self._input = inputs[0]
        if self._input.type not in _TYPES or outputs[0].type != "tensor(float)":
            raise ValueError("its values are neither float32 nor uint8")
        self.takes_uint8 = _TYPES[self._input.type] is np.uint8
        first = self._input.shape[0] if self._input.shape else None
        self._images = first if isinstance(first, int) else 1

    def row(self, values: Values) -> Row:
        """As `Network.row`. A fixed batch is filled with the same image."""
        whole = np.repeat(values, self._images, axis=0)
        [outputs] = _called(self._session.run, None, {self._input.name: whole})
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
