"""Versions of drawn ONNX networks."""

from __future__ import annotations

import io

import msgspec
import numpy as np

from shared.messages.model_card import IMPORTED, Card, ImportedNetwork, Preprocessing
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.runtimes import ONNX
from tests.support.models import drawn_networks
from tests.support.models.drawn_networks import LABELS, Drawn
from worker.runtimes.imported_graph import Converter, drawn
from worker.runtimes.onnx_runtime import OnnxNetwork

SIDE = 16
PLAIN = ImportedNetwork("onnx", "0-1", layout="nchw")


def card(imported: ImportedNetwork = PLAIN, side: int = SIDE, name: str = "mine") -> Card:
    """The card of a drawn network."""
    return msgspec.structs.replace(
        packaged.card(), name=name, labels=LABELS, preprocessing=Preprocessing(side, side, 3),
        pixel_bounds=None, output="logits", temperature=1.0, second_pass_margin=0.0, call_images=1,
        recipe=IMPORTED, imported=imported, files={}, operating_points=(),
    )  # fmt: skip


def outputs(imported: ImportedNetwork, data: bytes) -> np.ndarray:
    """The network's outputs for the drawn images."""
    network = OnnxNetwork(data, is_exact=True)
    converter = Converter(imported, network.takes_uint8)
    return np.stack([network.row(converter.values(image)) for image in drawn((SIDE, SIDE, 3))])


def stored(values: np.ndarray) -> bytes:
    """Outputs as they lie beside the file."""
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def publish(registry: Registry, kind: Drawn, imported: ImportedNetwork = PLAIN) -> Card:
    """A new version of the model `mine`."""
    data = drawn_networks.file(kind)
    files = {ONNX.artifact: data, ONNX.beside: stored(outputs(imported, data))}
    return registry.publish(card(imported), files)
