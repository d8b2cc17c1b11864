"""EfficientNet-Lite in Keras, with the means of every residual block as features.

Tan and Le, arXiv:1905.11946, section 4; the Lite variants have no squeeze-and-excitation, and ReLU6
instead of Swish, so that all operations are builtin in LiteRT.
"""

from __future__ import annotations

from typing import Any

import keras

from benchmarks.backbones import weights
from benchmarks.backbones.torch_file import Tensors
from benchmarks.backbones.weights import Stage, Weights

#: Input of the network: (value - 127) / 128.
CENTRE, RANGE = 127, 128
EPSILON = 1e-3  #: of batch normalization


def build(row: Weights) -> keras.Model:
    """uint8 [n, H, W, 3] to features float32 [n, features], with these weights.

    The features are the means over the pixels: after each block that adds its input, in order, and
    after the last convolution.

    Raises:
        SetupError: the package has another file.
    """
    model, names = _network(row)
    tensors = weights.load(row)
    for layer, prefix in names.items():
        model.get_layer(layer).set_weights(_values(tensors, prefix))
    return model


class _Layers:
    """Adds layers, and records which weights belong to them."""

    def __init__(self) -> None:
        self.weights: dict[str, str] = {}  #: name of the layer -> that of its weights

    def convolution(self, values: Any, name: str, filters: int, kernel: int, stride: int) -> Any:
        layer = keras.layers.Conv2D(
            filters, kernel, strides=stride, padding="same", use_bias=False, name=self._own(name)
        )
        return layer(values)

    def depthwise(self, values: Any, name: str, kernel: int, stride: int) -> Any:
        layer = keras.layers.DepthwiseConv2D(
            kernel, strides=stride, padding="same", use_bias=False, name=self._own(name)
        )
        return layer(values)

    def normed(self, values: Any, name: str) -> Any:
        return keras.layers.BatchNormalization(epsilon=EPSILON, name=self._own(name))(values)

    def activated(self, values: Any, name: str) -> Any:
        return keras.layers.ReLU(6.0, name=f"{_layer(name)}_relu")(self.normed(values, name))

    def _own(self, name: str) -> str:
        self.weights[_layer(name)] = name
        return _layer(name)


def _network(row: Weights) -> tuple[keras.Model, dict[str, str]]:
    side, layers, architecture = row.size_pixels, _Layers(), row.network
    images = keras.Input((side, side, 3), dtype="uint8", name="images")
    values = keras.layers.Rescaling(1 / RANGE, offset=-CENTRE / RANGE, name="scale")(images)
    values = layers.convolution(values, "_conv_stem", architecture.stem, 3, 2)
    values = layers.activated(values, "_bn0")
    means, number = [], 0
    for stage in architecture.stages:
        for block in range(stage.blocks):
            stride = 1 if block else stage.stride
            inner = _block(layers, values, f"_blocks.{number}.", stage, stride)
            if stride == 1 and values.shape[-1] == stage.filters:
                inner = keras.layers.Add(name=f"block_{number}_add")([values, inner])
                means.append(_mean(inner, f"block_{number}_mean"))
            values, number = inner, number + 1
    values = layers.convolution(values, "_conv_head", architecture.head, 1, 1)
    means.append(_mean(layers.activated(values, "_bn1"), "head_mean"))
    features = keras.layers.Concatenate(name="features")(means)
    name = _layer(row.package.removesuffix("-pytorch-model"))
    return keras.Model(images, features, name=name), layers.weights


def _block(layers: _Layers, values: Any, name: str, stage: Stage, stride: int) -> Any:
    """A 1x1 convolution to more filters, one for each filter alone, a 1x1 to fewer."""
    inner = values
    if stage.expansion != 1:
        wide = values.shape[-1] * stage.expansion
        inner = layers.convolution(inner, f"{name}_expand_conv", wide, 1, 1)
        inner = layers.activated(inner, f"{name}_bn0")
    inner = layers.depthwise(inner, f"{name}_depthwise_conv", stage.kernel, stride)
    inner = layers.activated(inner, f"{name}_bn1")
    inner = layers.convolution(inner, f"{name}_project_conv", stage.filters, 1, 1)
    return layers.normed(inner, f"{name}_bn2")


def _mean(values: Any, name: str) -> Any:
    return keras.layers.GlobalAveragePooling2D(name=name)(values)


def _layer(name: str) -> str:
    """A name that Keras accepts."""
    return name.replace(".", "_").replace("-", "_").strip("_")


def _values(tensors: Tensors, prefix: str) -> list[Any]:
    """The variables of one layer, in Keras' order and layout."""
    if f"{prefix}.running_mean" in tensors:
        names = ("weight", "bias", "running_mean", "running_var")
        return [tensors[f"{prefix}.{name}"] for name in names]
    kernel = tensors[f"{prefix}.weight"]  # [out, in or 1, height, width]
    depthwise = prefix.endswith("_depthwise_conv")
    return [kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(2, 3, 1, 0)]
