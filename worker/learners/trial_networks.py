"""The networks of the trials: a backbone whose last blocks are trained, and one from scratch.

Both return their features beside the logits, for the detector of images unlike the training images.
"""

from __future__ import annotations

import keras

from shared.recipes import Recipe
from worker.backbones import backbone_table, pretrained
from worker.backbones.backbone_table import Backbone
from worker.backbones.photo_features import PhotoFeatures
from worker.learners.network import NetworkBuilder
from worker.photo_head.linear_head import Head, fit
from worker.training import networks

#: Penalty of the head that fine-tuning starts from. Its exact value does not matter.
PENALTY = 0.01
FEATURES = "features"


def builder_of(
    recipe: Recipe, learn: PhotoFeatures, classes: int
) -> tuple[NetworkBuilder, list[int]]:
    """The network of a recipe for photos, and the widths of the parts of its features.

    Raises:
        SetupError: the weights of the backbone are missing.
    """
    if recipe.network != "fine":
        widths = [
            width for width, n in zip(recipe.widths, recipe.blocks, strict=True) for _ in range(n)
        ]
        return NetworkBuilder(None, _tapped, sum(widths)), widths
    backbone = backbone_table.find(recipe.backbone)
    (head,) = fit(learn.fp32, learn.labels, classes, [PENALTY])
    return (
        NetworkBuilder(
            lambda precision: fine_network(backbone, head, recipe.learned_blocks),
            _with_backbone_features,
            backbone.features,
        ),
        list(backbone.part_widths),
    )


def fine_network(backbone: Backbone, head: Head, blocks: int) -> keras.Model:
    """Logits of a backbone with a head, of which the last blocks and the head are trained.

    Batch normalization stays as it was: the statistics of a small batch would be noise.
    """
    base = pretrained.build(backbone)
    dense = keras.layers.Dense(len(head.bias), name="logits", dtype=networks.EXACT)
    network = keras.Model(base.input, dense(base.output), name="photo_fine")
    dense.set_weights([head.weights, head.bias])
    last = pretrained.last_layers(backbone, blocks)
    for layer in base.layers:
        normalizes = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name.startswith(last) and not normalizes
    return network


def _with_backbone_features(network: keras.Model) -> keras.Model:
    features = network.get_layer(FEATURES).output
    return keras.Model(network.input, [network.output, features], name=network.name)


def _tapped(network: keras.Model) -> keras.Model:
    """With the means of the outputs of all residual blocks."""
    blocks = [
        layer for layer in network.layers
        if layer.name.startswith("block_") and layer.name.count("_") == 3
        and layer.name.endswith("_relu")
    ]  # fmt: skip
    means = [
        keras.layers.GlobalAveragePooling2D(name=f"{layer.name}_mean")(layer.output)
        for layer in blocks
    ]
    features = keras.layers.Concatenate(name=FEATURES)(means)
    return keras.Model(network.input, [network.output, features], name=network.name)
