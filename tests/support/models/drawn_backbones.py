"""Small ONNX networks that return features, and versions with a head on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image

from shared.messages.model_card import Card, ImportedNetwork, Look, Preprocessing
from shared.messages.requests import NetworkForm
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.runtimes import ONNX, PHOTO
from tests.support.models import drawn_networks
from worker.graphs.bounded_check import checked
from worker.runtimes import heads
from worker.runtimes.heads import Head

SIDE, CELLS = 16, 4
FEATURES = 3 * CELLS * CELLS
IMPORTED = ImportedNetwork("onnx", "0-1", (0.5,) * 3, (0.25,) * 3, "nchw")
FORM = NetworkForm(scale="0-1", mean=IMPORTED.mean, std=IMPORTED.std)
LABELS = ("blue", "green", "red")


def file(
    side: int | str = SIDE,
    *,
    width: int | None = None,
    maps: bool = False,
    returned: Sequence[str] = ("f",),
) -> bytes:
    """A network whose features are the means of CELLS x CELLS cells in each channel. `maps`: with
    all pixels. Of two outputs the first has no row for an image."""
    node = helper.make_node
    shape: list[Any] = ["batch", 3, side, width or side]
    kernel = [SIDE // CELLS] * 2
    nodes = [
        node("Identity", ["x"], ["cells"])
        if maps
        else node("AveragePool", ["x"], ["cells"], kernel_shape=kernel, strides=kernel),
        node("Flatten", ["cells"], ["f"], axis=1),
    ]
    if len(returned) > 1:
        nodes.append(node("ReduceMean", ["cells"], [returned[0]], axes=[1], keepdims=0))
    outputs: dict[str, list[Any]] = {
        name: ["batch", None] if name == "f" else ["batch", None, None] for name in returned
    }
    graph = helper.make_graph(
        nodes, "features",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(*one) for one in _infos(outputs)],
    )  # fmt: skip
    opset = [helper.make_opsetid("", drawn_networks.OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=drawn_networks.IR)
    data: bytes = onnx.ModelProto.SerializeToString(model)
    return data


def _infos(outputs: dict[str, list[Any]]) -> list[tuple[str, int, list[Any]]]:
    return [(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]


def features(image: np.ndarray) -> np.ndarray:
    """What the network returns for an image uint8 [SIDE, SIDE, 3]."""
    values = (image.astype(np.float64) / 255 - 0.5) / 0.25
    size = SIDE // CELLS
    cells = values.reshape(CELLS, size, CELLS, size, 3).mean((1, 3))
    return np.asarray(cells.transpose(2, 0, 1).reshape(-1))


def write_photos(root: Path, count: int) -> Path:
    """Noise in the colour of each label, in class folders."""
    for number, label in enumerate(LABELS):
        (root / label).mkdir(parents=True, exist_ok=True)
        for seed in range(count):
            rng = np.random.default_rng([number, seed])
            pixels = rng.integers(0, 160, (24, 24, 3), np.uint8)
            pixels[..., 2 - number] += 90
            Image.fromarray(pixels).save(root / label / f"{seed:03}.png")
    return root


def publish(registry: Registry, name: str) -> Card:
    """A version with a drawn head on this network, without a training."""
    data = file()
    card = msgspec.structs.replace(
        packaged.card(), name=name, labels=LABELS, preprocessing=Preprocessing(SIDE, SIDE, 3),
        pixel_bounds=None, output="logits", temperature=1.0, second_pass_margin=0.0, call_images=1,
        recipe="photo-head", imported=IMPORTED, files={}, operating_points=(), features=FEATURES,
        looks=(Look("cells", ONNX.artifact, SIDE),),
    )  # fmt: skip
    weights = np.random.default_rng(1).normal(size=(FEATURES, len(LABELS))).astype(np.float32)
    head = Head(weights, np.zeros(len(LABELS), np.float32))
    return registry.publish(
        card,
        {
            ONNX.artifact: data,
            ONNX.beside: checked("onnx", data, FORM, is_backbone=True).drawn,
            PHOTO.artifact: heads.encode([head]),
        },
    )
