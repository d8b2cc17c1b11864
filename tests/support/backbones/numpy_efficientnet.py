"""The features of an EfficientNet-Lite in NumPy alone: an oracle for the network in Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tests.support.backbones.short_backbone import architecture
from worker.backbones.backbone_table import Backbone
from worker.backbones.torch_file import Tensors

Values = npt.NDArray[np.float64]  #: [height, width, channels]


def features(backbone: Backbone, weights: Tensors, image: npt.NDArray[np.uint8]) -> Values:
    """The means after each block that adds its input, and after the last convolution, [features].

    In float64: rounding is the network's, not the oracle's.
    """
    network = _Network(weights)
    values = network.unit((image.astype(np.float64) - 127) / 128, "_conv_stem", "_bn0", 2)
    means = []
    for number, (stage, stride) in enumerate(_blocks(backbone)):
        inner = network.block(values, f"_blocks.{number}.", stride, stage.expansion > 1)
        if inner.shape == values.shape:
            inner = inner + values
            means.append(inner.mean((0, 1)))
        values = inner
    last = network.unit(values, "_conv_head", "_bn1", 1)
    return np.concatenate([*means, last.mean((0, 1))])


def _blocks(backbone: Backbone) -> list[tuple[Any, int]]:
    return [
        (stage, stage.stride if first else 1)
        for stage in architecture(backbone).stages
        for first in [True] + [False] * (stage.blocks - 1)
    ]


class _Network:
    def __init__(self, weights: Tensors) -> None:
        self._weights = {name: value.astype(np.float64) for name, value in weights.items()}

    def block(self, values: Values, name: str, stride: int, expands: bool) -> Values:
        if expands:
            values = self.unit(values, f"{name}_expand_conv", f"{name}_bn0", 1)
        values = self.unit(values, f"{name}_depthwise_conv", f"{name}_bn1", stride)
        return self._normed(self._filtered(values, f"{name}_project_conv", 1), f"{name}_bn2")

    def unit(self, values: Values, convolution: str, norm: str, stride: int) -> Values:
        normed = self._normed(self._filtered(values, convolution, stride), norm)
        return np.minimum(np.maximum(normed, 0), 6)

    def _normed(self, values: Values, name: str) -> Values:
        w = self._weights
        deviation = np.sqrt(w[f"{name}.running_var"] + 0.001)
        scaled = (values - w[f"{name}.running_mean"]) / deviation
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    def _filtered(self, values: Values, name: str, stride: int) -> Values:
        """Sums shifted copies, one for each place of the kernel [out, in, height, width]."""
        kernel = self._weights[f"{name}.weight"]
        side = kernel.shape[2]
        wide = _padded(values, side, stride)
        height, width = -(-values.shape[0] // stride), -(-values.shape[1] // stride)
        total = np.zeros((height, width, kernel.shape[0]))
        for y in range(side):
            for x in range(side):
                part = wide[y::stride, x::stride][:height, :width]
                if kernel.shape[1] == 1:
                    total = total + part * kernel[:, 0, y, x]
                else:
                    total = total + part @ kernel[:, :, y, x].T
        return total


def _padded(values: Values, side: int, stride: int) -> Values:
    """With zeros, so that the output has 1/stride of the input; the odd one at the end."""
    pairs = []
    for length in values.shape[:2]:
        outputs = -(-length // stride)
        missing = max(0, (outputs - 1) * stride + side - length)
        pairs.append((missing // 2, missing - missing // 2))
    return np.pad(values, (*pairs, (0, 0)))
