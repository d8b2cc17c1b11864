"""The network of a backbone with its weights, built by the module of its family."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from worker.backbones import weights
from worker.backbones.backbone_table import Backbone
from worker.backbones.torch_file import Tensors

if TYPE_CHECKING:
    import keras


class Family(Protocol):
    """The functions of the module of a family."""

    def build(self, backbone: Backbone, weights: Tensors) -> keras.Model:
        """uint8 [n, H, W, 3] to float32 [n, backbone.features] from the layer `features`, with
        these weights. Raises SetupError: they are those of another network."""

    def last_layers(self, backbone: Backbone, blocks: int) -> tuple[str, ...]:
        """How the names of the layers of the last blocks start, and of what follows them."""

    def read_by_last(
        self, backbone: Backbone, network: keras.Model, blocks: int
    ) -> list[keras.KerasTensor]:
        """What the last blocks of the network and its features are computed from: the output of
        the block before them, and the means of it and of earlier ones."""


def build(backbone: Backbone) -> keras.Model:
    """The network, as `Family.build`. Raises SetupError: its weights are missing."""
    return _family(backbone).build(backbone, weights.load(backbone))


def last_layers(backbone: Backbone, blocks: int) -> tuple[str, ...]:
    """The layers that fine-tuning trains, as `Family.last_layers`."""
    return _family(backbone).last_layers(backbone, blocks)


def read_by_last(backbone: Backbone, network: keras.Model, blocks: int) -> list[keras.KerasTensor]:
    """Where fine-tuning cuts a network that `build` returned, as `Family.read_by_last`."""
    return _family(backbone).read_by_last(backbone, network, blocks)


def _family(backbone: Backbone) -> Family:
    return cast(Family, import_module(f"worker.backbones.{backbone.family}"))
