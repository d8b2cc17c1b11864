"""Small ONNX classifiers, drawn in the layouts that tools export, with known answers.

Each looks at the mean of every channel: dark or bright, and red or blue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from onnx import TensorProto, helper, numpy_helper

LABELS = ("dark", "red", "bright", "blue")
#: Red and blue in 0 to 1: logits of the labels for means of the channels.
WEIGHTS = np.array([[-4, 6, 4, -6], [-4, -2, 4, -2], [-4, -6, 4, 6]], np.float32)
BIAS = np.array([3.5, 1, -6, 1], np.float32)
OPSET, IR = 17, 8


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between the files of tools. Values of the input are (0 to 1 - mean) / std."""

    size: int = 16
    layout: str = "nchw"
    batch: int | str = "batch"
    input_name: str = "x"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    factor: float = 1.0  #: of the input, from 0 to 1
    offset: float = 0.0
    is_bgr: bool = False
    is_softmax: bool = False
    metadata: tuple[tuple[str, str], ...] = ()
    dynamic_size: bool = False
    takes_uint8: bool = False
    is_hidden: bool = False  #: its last operator does not say that it is a softmax
    is_square: bool = False  #: its logits are [n, labels, 1, 1], as SqueezeNet's


def timm(**given: Any) -> Drawn:
    """ImageNet's mean and deviation, a dynamic batch, logits, no metadata."""
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return Drawn(mean=mean, std=std, input_name="x", **given)


def ultralytics(names: Mapping[int, str] | None = None, **given: Any) -> Drawn:
    """The layout of its classifiers: 0 to 1, softmax, names and size in the metadata."""
    size = given.get("size", 16)
    metadata = (
        ("author", "Ultralytics"), ("task", "classify"), ("stride", "1"), ("batch", "1"),
        ("imgsz", str([size, size])), ("names", repr(names or dict(enumerate(LABELS)))),
    )  # fmt: skip
    return Drawn(batch=1, input_name="images", is_softmax=True, metadata=metadata, **given)


def proto(drawn: Drawn) -> Any:
    """The model."""
    weights, bias = _in_units(drawn)
    nodes = list(_nodes(drawn))
    side: Any = ["height", "width"] if drawn.dynamic_size else [drawn.size, drawn.size]
    shape = [drawn.batch, 3, *side] if drawn.layout == "nchw" else [drawn.batch, *side, 3]
    returned = [len(LABELS), 1, 1] if drawn.is_square else [len(LABELS)]
    kind = TensorProto.UINT8 if drawn.takes_uint8 else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "drawn",
        [helper.make_tensor_value_info(drawn.input_name, kind, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [drawn.batch, *returned])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )  # fmt: skip
    if drawn.is_square:
        shape_of_output = np.array([-1, *returned], np.int64)
        graph.initializer.append(numpy_helper.from_array(shape_of_output, "returned"))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    helper.set_model_props(model, dict(drawn.metadata))
    return model


def file(drawn: Drawn) -> bytes:
    """The bytes of the model."""
    data: bytes = proto(drawn).SerializeToString()
    return data


def probabilities(means: Sequence[float]) -> np.ndarray:
    """What the classifiers return for an image with these means of its channels, 0 to 1."""
    logits = np.asarray(means, np.float64) @ WEIGHTS + BIAS
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


def _in_units(drawn: Drawn) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias for means in the units of the input."""
    factor = 255.0 if drawn.takes_uint8 else drawn.factor
    mean, std = np.array(drawn.mean), np.array(drawn.std)
    # x = (p * factor + offset - mean) / std
    weights = WEIGHTS * (std / factor)[:, None]
    bias = BIAS + ((mean - drawn.offset) / factor) @ WEIGHTS
    if drawn.is_bgr:
        weights = weights[::-1]
    return np.ascontiguousarray(weights, np.float32), bias.astype(np.float32)


def _nodes(drawn: Drawn) -> Any:
    values = drawn.input_name
    if drawn.takes_uint8:
        yield helper.make_node("Cast", [values], ["floats"], to=TensorProto.FLOAT)
        values = "floats"
    if drawn.layout == "nhwc":
        yield helper.make_node("Transpose", [values], ["channels"], perm=[0, 3, 1, 2])
        values = "channels"
    yield helper.make_node("GlobalAveragePool", [values], ["pooled"])
    yield helper.make_node("Flatten", ["pooled"], ["means"], axis=1)
    last = "logits" if drawn.is_softmax or drawn.is_square else "output"
    yield helper.make_node("Gemm", ["means", "weights", "bias"], [last])
    if drawn.is_square:
        yield helper.make_node("Reshape", ["logits", "returned"], ["output"])
    if drawn.is_softmax:
        result = "shares" if drawn.is_hidden else "output"
        yield helper.make_node("Softmax", ["logits"], [result], axis=1)
    if drawn.is_hidden:
        yield helper.make_node("Abs", ["shares"], ["output"])


def convolution() -> bytes:
    """A network whose activations take 256 MB for an image of 512 pixels."""
    weights = numpy_helper.from_array(np.ones((256, 3, 3, 3), np.float32), "weights")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "weights"], ["large"], pads=[1, 1, 1, 1]),
            helper.make_node("GlobalAveragePool", ["large"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["output"]),
        ],
        "convolution",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 512, 512])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 256])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    data: bytes = model.SerializeToString()
    return data


def endless() -> bytes:
    """A network that takes minutes for an image, and little memory."""
    weights = numpy_helper.from_array(np.full((8, 8, 31, 31), 1e-4, np.float32), "weights")
    first = numpy_helper.from_array(np.ones((8, 3, 1, 1), np.float32), "first")
    nodes = [helper.make_node("Conv", ["x", "first"], ["layer0"])]
    for number in range(200):
        nodes.append(
            helper.make_node(
                "Conv", [f"layer{number}", "weights"], [f"layer{number + 1}"], pads=[15] * 4
            )
        )
    nodes.append(helper.make_node("GlobalAveragePool", ["layer200"], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["output"]))
    graph = helper.make_graph(
        nodes,
        "endless",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 512, 512])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 8])],
        [weights, first],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    data: bytes = model.SerializeToString()
    return data


def unsure_of_plain() -> bytes:
    """A network that fails on a white image, and returns no numbers for any other of one colour."""
    node, axes = helper.make_node, {"axes": [2, 3], "keepdims": 0}
    nodes = [
        node("ReduceMean", ["x"], ["means"], **axes),
        node("ReduceMean", ["x"], ["level"], keepdims=0),
        node("Floor", ["level"], ["whole"]),
        node("Cast", ["whole"], ["index"], to=TensorProto.INT64),
        node("Gather", ["table", "index"], ["bias"]),
        node("ReduceMax", ["x"], ["highest"], keepdims=0),
        node("ReduceMin", ["x"], ["lowest"], keepdims=0),
        node("Sub", ["highest", "lowest"], ["spread"]),
        node("Div", ["spread", "spread"], ["one"]),
        node("MatMul", ["means", "weights"], ["product"]),
        node("Add", ["product", "bias"], ["sum"]),
        node("Mul", ["sum", "one"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes, "unsure",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, len(LABELS)])],
        [numpy_helper.from_array(WEIGHTS, "weights"), numpy_helper.from_array(BIAS[None], "table")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    data: bytes = model.SerializeToString()
    return data


def large_for_white() -> bytes:
    """A network that asks for 4 TB of memory for a white image."""
    node = helper.make_node
    nodes = [
        node("ReduceMean", ["x"], ["means"], axes=[2, 3], keepdims=0),
        node("MatMul", ["means", "weights"], ["product"]),
        node("ReduceMin", ["x"], ["lowest"], keepdims=0),
        node("Cast", ["lowest"], ["white"], to=TensorProto.INT64),
        node("Mul", ["white", "count"], ["more"]),
        node("Add", ["more", "least"], ["size"]),
        node("ConstantOfShape", ["size"], ["large"]),
        node("ReduceSum", ["large"], ["nothing"], keepdims=0),
        node("Add", ["product", "nothing"], ["output"]),
    ]
    constants = {"count": [1 << 40], "least": [1]}
    graph = helper.make_graph(
        nodes, "large",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, len(LABELS)])],
        [numpy_helper.from_array(WEIGHTS, "weights"),
         *(numpy_helper.from_array(np.array(v, np.int64), n) for n, v in constants.items())],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    data: bytes = model.SerializeToString()
    return data
