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


def build(backbone: Backbone) -> keras.Model:
    """The network, as `Family.build`. Raises SetupError: its weights are missing."""
    return _family(backbone).build(backbone, weights.load(backbone))


def _family(backbone: Backbone) -> Family:
    return cast(Family, import_module(f"worker.backbones.{backbone.family}"))
