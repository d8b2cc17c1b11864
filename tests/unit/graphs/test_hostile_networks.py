"""Files that would run code, read files, never end or need too much are refused in one line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from shared.errors import SetupError
from shared.messages.requests import ImportNetwork, NetworkForm
from shared.registry.registry import Registry
from tests.support.jobs import handler_context
from tests.support.models import drawn_networks, drawn_tflite
from tests.support.models.drawn_networks import LABELS, Drawn
from tests.support.servers.redis_server import RedisServer
from worker.graphs.bounded_check import checked
from worker.requests import import_network

FORM = NetworkForm(LABELS, "0-1")
Change = Callable[[Any], object]


def changed(change: Change) -> bytes:
    """A good network, changed."""
    model = drawn_networks.proto(Drawn())
    change(model)
    data: bytes = model.SerializeToString()
    return data


def appended(op: str, inputs: list[str], domain: str = "", **attributes: Any) -> Change:
    """A node behind the network, whose first output is the result."""

    def change(model: Any) -> None:
        graph = model.graph
        graph.node[-1].output[0] = "before"
        graph.node.append(helper.make_node(op, inputs, ["output"], domain=domain, **attributes))
        if domain:
            model.opset_import.append(helper.make_opsetid(domain, 1))

    return change


def loop() -> Any:
    """The body of a loop that goes on."""
    return helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["still"]),
            helper.make_node("Identity", ["value"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )


def in_a_loop(model: Any) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.int64(1 << 62), "rounds"))
    appended("Loop", ["rounds", "", "before"], body=loop())(model)


def outside(model: Any) -> None:
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../etc/passwd")


def with_a_function(model: Any) -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    opset = [helper.make_opsetid("", drawn_networks.OPSET)]
    model.functions.append(helper.make_function("own", "F", ["x"], ["y"], [node], opset))
    appended("F", ["before"], "own")(model)


def with_a_nan(model: Any) -> None:
    bias = np.array([0, np.nan, 0, 0], np.float32)
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(bias, "bias"))


def with_an_enormous_array(model: Any) -> None:
    model.graph.initializer[1].dims[:] = [1 << 40]


def unfolding(model: Any) -> None:
    """2 GB from a few bytes."""
    shape = numpy_helper.from_array(np.array([1 << 14, 1 << 15], np.int64), "shape")
    model.graph.initializer.append(shape)
    graph = model.graph
    graph.node[-1].output[0] = "before"
    graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["large"]))
    graph.node.append(helper.make_node("ReduceMax", ["large"], ["zero"], keepdims=0))
    graph.node.append(helper.make_node("Add", ["before", "zero"], ["output"]))


HOSTILE: dict[str, tuple[Change, str]] = {
    "a loop of 2^62": (in_a_loop, "Loop with a graph inside, such as a loop"),
    "weights in another file": (outside, "its weights are in another file"),
    "a local function": (with_a_function, "it has local functions"),
    "a custom operator": (appended("Run", ["before"], "evil"), "it uses evil.Run, which Hangtag"),
    "an operator of Microsoft's that reads text": (
        appended("Tokenizer", ["before"], "com.microsoft"), "com.microsoft.Tokenizer, which",
    ),
    "random values": (
        appended("RandomNormalLike", ["before"]), "whose results differ from call to call",
    ),
    "values that are not finite": (with_a_nan, "returns values that are not finite"),
    "an enormous array": (with_an_enormous_array, "an array of more than 268,435,456 elements"),
    "2 GB from a few bytes": (unfolding, "needs more than 512 MB beside it|more than 268,435,456"),
    "a sigmoid": (appended("Sigmoid", ["before"]), "several labels may be right at once"),
    "a softmax over the images": (
        appended("Softmax", ["before"], axis=0), "its outputs are no probabilities; export logits$"
    ),
    "two outputs": (
        lambda model: model.graph.output.add().CopyFrom(model.graph.output[0]), "2 outputs|refused"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_on_the_list_is_refused_in_one_line(name: str) -> None:
    change, line = HOSTILE[name]
    with pytest.raises(SetupError, match=line) as error:
        checked("onnx", changed(change), FORM)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["a loop of 2^62", "values that are not finite"])
def test_a_backbone_is_refused_by_the_same_checks(name: str) -> None:
    """Of what is read, and of what is run."""
    change, line = HOSTILE[name]
    with pytest.raises(SetupError, match=line) as error:
        checked("onnx", changed(change), NetworkForm(scale="0-1"), is_backbone=True)
    assert "\n" not in str(error.value)


@pytest.mark.nightly
def test_a_network_that_takes_too_long_is_ended_after_30_s_of_a_processor() -> None:
    with pytest.raises(SetupError, match="took more than 30 s of a processor"):
        checked("onnx", drawn_networks.endless(), NetworkForm(tuple(map(str, range(8))), "0-1"))


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 64, b"TFL3" * 9, b"PK\3\4" + bytes(60), b"\x1c\0\0\0TFL3" + b"\xff" * 900]
)
@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_other_files_are_refused_in_one_line(kind: Any, data: bytes) -> None:
    with pytest.raises(SetupError, match=r"^the file is refused") as error:
        checked(kind, data, FORM)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file_of_tensorflow_lite_says_so(share: float) -> None:
    whole = drawn_tflite.loop()
    with pytest.raises(SetupError, match="truncated or damaged; export it again"):
        checked("tflite", whole[: int(share * len(whole))], FORM)


def test_a_loop_of_tensorflow_lite_is_refused() -> None:
    with pytest.raises(SetupError, match="several graphs, such as a loop"):
        checked("tflite", drawn_tflite.loop(), FORM)


def test_nothing_is_published_of_a_refused_file(server: RedisServer, tmp_path: Path) -> None:
    file = changed(in_a_loop)
    work = ImportNetwork("mine", "onnx", hashlib.sha256(file).hexdigest(), FORM)
    context, notes = handler_context.make(server, tmp_path, work, file)
    with pytest.raises(SetupError, match="the file is refused"):
        import_network.import_network(context, work)
    assert Registry(tmp_path).names() in ([], ["fashion-mnist"])
    assert not notes.confirmed
