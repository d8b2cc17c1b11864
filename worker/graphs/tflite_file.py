"""Checks a `.tflite` file by what it may not contain, and reads what it says of itself.

Import this module in a bounded process only.
"""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from shared.labels.network_labels import parsed
from worker.graphs.facts import Facts, bounded_product
from worker.runtimes.tflite_network import TfliteNetwork

#: Elements of one tensor, in its declared shape.
MAX_ELEMENTS = 1 << 28
#: Loops, calls, what keeps or draws values, and what other libraries define.
_LOOPS_AND_STATES = (
    "ASSIGN_VARIABLE CALL CALL_ONCE CUSTOM DELEGATE HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT "
    "HASHTABLE_LOOKUP HASHTABLE_SIZE IF MULTINOMIAL RANDOM_STANDARD_NORMAL RANDOM_UNIFORM "
    "READ_VARIABLE STABLEHLO_COMPOSITE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE_WINDOW "
    "STABLEHLO_RNG_BIT_GENERATOR STABLEHLO_WHILE VAR_HANDLE WHILE"
)
_REFUSED = frozenset(_LOOPS_AND_STATES.split())
_NAMES = {
    number: name for name, number in vars(schema.BuiltinOperator).items() if type(number) is int
}
_MAX_LABELS_BYTES = 2 << 20


def read(data: bytes) -> Facts:
    """What the file says.

    Raises:
        ValueError: it contains what is not allowed, in one line.
        Exception: of any class: it is no `.tflite` file.
    """
    try:
        last = _check(data)
    except (IndexError, struct.error):
        raise ValueError("it is truncated or damaged; export it again") from None
    network = TfliteNetwork(data)
    return Facts(
        sides=network.shape[1:],
        takes_uint8=network.takes_uint8,
        parameters=0,
        labels=_labels(data),
        is_softmax=last == "SOFTMAX",
    )


def _check(data: bytes) -> str:
    """The name of the last operator. Raises ValueError."""
    if data[4:8] != b"TFL3":
        raise ValueError("it is no .tflite file")
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    if model.externalBufferGroups or model.externalBuffers:
        raise ValueError("its weights are in another file; export it in one file")
    if len(model.subgraphs) > 1:
        raise ValueError("it has several graphs, such as a loop")
    names = [
        _NAMES.get(max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM")
        for code in model.operatorCodes
    ]
    if refused := _REFUSED.intersection(names):
        raise ValueError(f"it uses {min(refused)}, which Hangtag does not load")
    graph = model.subgraphs[0]
    for tensor in graph.tensors:
        if not bounded_product(np.abs(tensor.shape).tolist(), MAX_ELEMENTS):
            raise ValueError(f"it has an array of more than {MAX_ELEMENTS:,} elements")
    output = int(graph.outputs[0])
    makers = {
        int(made): names[operator.opcodeIndex]
        for operator in graph.operators
        for made in operator.outputs
    }
    while makers.get(output) in ("DEQUANTIZE", "QUANTIZE"):
        [operator] = [one for one in graph.operators if output in one.outputs]
        makers.pop(output)
        output = int(operator.inputs[0])
    return str(makers.get(output, ""))


def _labels(data: bytes) -> tuple[str, ...]:
    """Those of the first text file in the archive that may follow the network."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return ()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            if member.filename.endswith(".txt"):
                if member.file_size > _MAX_LABELS_BYTES:
                    raise ValueError("its labels are too large")
                return parsed(archive.read(member).decode())
    return ()
