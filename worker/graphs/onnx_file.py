"""Checks an ONNX file by a list of what it may contain, and reads what it says of itself.

`onnx.checker` passes loops without end and operators that no list has. Import this module in a
bounded process only.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Iterator
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from shared.errors import first_names
from worker.graphs.facts import Facts, bounded_product

#: Elements of one tensor, in its declared shape.
MAX_ELEMENTS = 1 << 28
MAX_NODES = 50_000
#: Domains of operators: of ONNX itself.
_ONNX = ("", "ai.onnx")
#: What quantizers and optimizers of ONNX Runtime write.
_QUANTIZED = (
    "BiasGelu DequantizeLinear DynamicQuantizeMatMul FastGelu FusedConv FusedGemm FusedMatMul Gelu "
    "MatMulIntegerToFloat NhwcMaxPool QAttention QGemm QLinearAdd QLinearAveragePool QLinearConcat "
    "QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearReduceMean "
    "QLinearSigmoid QLinearSoftmax QLinearWhere QuantizeLinear QuickGelu "
    "SimplifiedLayerNormalization SkipLayerNormalization"
)
_MICROSOFT = frozenset(_QUANTIZED.split())
#: Each call would return something else.
_RANDOM = {
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike",
}  # fmt: skip
#: They pass their input on.
_PASSING = {"Cast", "Flatten", "Identity", "Reshape", "Squeeze"}
#: The keys of the metadata that an ultralytics classifier has, whose input is 0 to 1.
_ULTRALYTICS = {"names", "imgsz", "stride"}
_TYPES = {onnx.TensorProto.FLOAT: False, onnx.TensorProto.UINT8: True}


def read(data: bytes, *, is_backbone: bool = False, output: str = "") -> Facts:
    """What the file says; of several outputs the one of this name counts.

    Raises:
        ValueError: it contains what is not allowed, in one line.
        Exception: of any class: its network is damaged.
    """
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError:
        raise ValueError("it is no .onnx file") from None
    _check(model)
    onnx.checker.check_model(model)
    return _facts(model, is_backbone, output)


def _check(model: Any) -> None:
    graph = model.graph
    if model.functions or model.training_info:
        raise ValueError("it has local functions")
    if graph.sparse_initializer or len(graph.node) > MAX_NODES:
        raise ValueError(f"it has sparse weights, or more than {MAX_NODES:,} nodes")
    for node in graph.node:
        _check_node(node)
    for tensor in _tensors(graph):
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise ValueError("its weights are in another file; export it in one file")
        _check_shape(tensor.dims)
    for value in [*graph.input, *graph.output, *graph.value_info]:
        if value.type.WhichOneof("value") != "tensor_type":
            raise ValueError("it has values that are not tensors")
        _check_shape(side.dim_value for side in value.type.tensor_type.shape.dim)


def _check_node(node: Any) -> None:
    name = f"{node.domain or 'ai.onnx'}.{node.op_type}"
    if node.domain not in _ONNX and not (
        node.domain == "com.microsoft" and node.op_type in _MICROSOFT
    ):
        raise ValueError(f"it uses {name:.80}, which Hangtag does not load")
    if node.op_type in _RANDOM:
        raise ValueError(f"it uses {name:.80}, whose results differ from call to call")
    for attribute in node.attribute:
        if attribute.HasField("g") or attribute.graphs or attribute.ref_attr_name:
            raise ValueError(f"it uses {name:.80} with a graph inside, such as a loop")
        if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise ValueError(f"it uses {name:.80} with sparse values")


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_shape(sides: Iterable[int]) -> None:
    if not bounded_product(list(sides), MAX_ELEMENTS):
        raise ValueError(f"it has an array of more than {MAX_ELEMENTS:,} elements")


def _facts(model: Any, is_backbone: bool, output: str) -> Facts:
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    returned = [value for value in graph.output if not output or value.name == output]
    if len(inputs) != 1:
        raise ValueError(f"its inputs are {_names_of(inputs)}; export one that takes an image")
    if len(returned) != 1:
        repair = (
            "name the one with the features with --output"
            if is_backbone
            else "export it with one output that has a value for each label"
        )
        raise ValueError(f"its outputs are {_names_of(graph.output)}; {repair}")
    kind = inputs[0].type.tensor_type.elem_type
    if kind not in _TYPES:
        raise ValueError("it takes neither float32 nor uint8; export it in float32")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    is_ultralytics = metadata.keys() >= _ULTRALYTICS
    return Facts(
        sides=_sides(inputs[0])[1:],
        takes_uint8=_TYPES[kind],
        parameters=sum(math.prod(tensor.dims) for tensor in graph.initializer),
        labels=_names(metadata.get("names", "")),
        size=_size(metadata.get("imgsz", "")),
        scale="0-1" if is_ultralytics else "",
        is_softmax=not is_backbone and _ends_in_softmax(graph, returned[0].name),
    )


def _names_of(values: Iterable[Any]) -> str:
    return first_names([value.name for value in values]) or "none"


def _sides(value: Any) -> tuple[int, ...]:
    return tuple(side.dim_value for side in value.type.tensor_type.shape.dim)


def _names(text: str) -> tuple[str, ...]:
    """The labels of a Python dictionary by number, or list, as text."""
    if not text:
        return ()
    names = ast.literal_eval(text)
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise ValueError("the names in its metadata are not numbered from 0")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("the names in its metadata are no list of texts")
    return tuple(names)


def _size(text: str) -> tuple[int, int]:
    if not text:
        return 0, 0
    sides = ast.literal_eval(text)
    height, width = sides if isinstance(sides, list) else (sides, sides)
    if type(height) is not int or type(width) is not int:
        raise ValueError("imgsz in its metadata is no size")
    return height, width


def _ends_in_softmax(graph: Any, name: str) -> bool:
    """Whether a softmax is the last that computes the output with this name.

    Raises:
        ValueError: a sigmoid is: several labels may be right at once.
    """
    makers = {name: node for node in graph.node for name in node.output}
    for _ in range(len(graph.node)):
        node = makers.get(name)
        if node is None:
            break
        if node.op_type == "Sigmoid":
            raise ValueError("it ends in a sigmoid, so several labels may be right at once")
        if node.op_type not in _PASSING:
            return bool(node.op_type in ("Softmax", "QLinearSoftmax"))
        name = node.input[0]
    return False
