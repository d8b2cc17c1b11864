"""The networks of the trials: a backbone whose last blocks are trained, and one from scratch.

Both return their features beside the logits, for the detector of images unlike the training images.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from shared.recipes import Recipe
from worker.backbones import backbone_table, pretrained
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.examples import Examples
from worker.evaluation.temperature import log_loss, temperature
from worker.learners.frozen_part import STORED, FrozenPart
from worker.learners.network import Finished, NetworkBuilder
from worker.learners.stored_views import Values
from worker.photo_head import linear_head
from worker.photo_head.folds import fold_count, folds
from worker.photo_head.near_duplicates import Groups
from worker.photo_head.out_of_fold import fit_out_of_fold
from worker.runtimes.heads import Head
from worker.training import networks
from worker.training.photo_folder import digest_numbers

Weights = npt.NDArray[np.float32]
FEATURES = "features"
#: The weights that are published lie on the line from those before the first step (0), which are
#: those of the head, to those after the last (1): where the photos held out have the smallest loss
#: (Wortsman et al., arXiv:2109.01903). One number, fitted to them as the temperature is.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


class TrialNetwork(NamedTuple):
    """What a recipe for photos trains."""

    builder: NetworkBuilder
    widths: list[int]  #: of the parts of its features
    values: Values | None = None  #: what the network reads in place of images, computed once


def trial_network(
    recipe: Recipe, learn: PhotoFeatures, groups: Groups, classes: int, *, weighted: bool
) -> TrialNetwork:
    """The network of a recipe for photos [n], whose near-duplicates `groups` [n] number.

    Raises:
        SetupError: the weights of the backbone are missing.
    """
    if recipe.network == "fine":
        return _fine(recipe, head_of(learn, groups, classes, weighted=weighted))
    widths = [
        width for width, n in zip(recipe.widths, recipe.blocks, strict=True) for _ in range(n)
    ]
    return TrialNetwork(NetworkBuilder(None, _tapped, sum(widths)), widths)


def head_of(learn: PhotoFeatures, groups: Groups, classes: int, *, weighted: bool) -> Head:
    """The head that `photo-head` would publish for these photos, its temperature included."""
    numbers = digest_numbers(learn)
    parts = folds(groups, numbers, learn.labels, fold_count(len(learn.labels)))
    fitted = fit_out_of_fold(
        learn.fp32, learn.labels, classes, parts, groups,
        mirrored=learn.mirrored and learn.mirrored.fp32,
        fit=partial(linear_head.fit, weighted=weighted),
    )  # fmt: skip
    cooling = np.float32(fitted.temperature)
    return Head(fitted.head.weights / cooling, fitted.head.bias / cooling)


class FineNetwork(NamedTuple):
    """A backbone with a head, in two parts whose layers are those of the whole."""

    whole: keras.Model  #: uint8 images in, logits out
    frozen: keras.Model  #: uint8 images in, what the learned part reads out
    learned: keras.Model  #: their bytes in, as of a FrozenPart; logits out


def fine_network(recipe: Recipe, head: Head) -> FineNetwork:
    """Logits of a backbone with a head, of which the last blocks and the head are trained.

    Batch normalization stays as it was: the statistics of a small batch would be noise.

    Raises:
        SetupError: the weights of the backbone are missing.
    """
    backbone, blocks = backbone_table.find(recipe.backbone), recipe.learned_blocks
    base = pretrained.build(backbone)
    dense = keras.layers.Dense(len(head.bias), name="logits", dtype=networks.EXACT)
    logits = dense(base.output)
    dense.set_weights([head.weights, head.bias])
    last = pretrained.last_layers(backbone, blocks)
    for layer in base.layers:
        normalizes = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name.startswith(last) and not normalizes
    cut = pretrained.read_by_last(backbone, base, blocks)
    flat = [keras.layers.Flatten(name=f"flat_{number}")(value) for number, value in enumerate(cut)]
    return FineNetwork(
        keras.Model(base.input, logits, name="photo_fine"),
        keras.Model(base.input, keras.layers.Concatenate(name="stored")(flat)),
        _of_bytes(keras.Model(cut, logits, name="learned")),
    )


def _of_bytes(learned: keras.Model) -> keras.Model:
    """The same network, with its inputs as the bytes of one row."""
    shapes = [value.shape[1:] for value in learned.inputs]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    stored = keras.Input((int(ends[-1]) * np.dtype(STORED).itemsize,), dtype="uint8")
    values = keras.ops.cast(keras.ops.view(stored, STORED), networks.EXACT)
    inputs = [
        keras.layers.Reshape(shape)(values[:, end - int(np.prod(shape)) : end])
        for shape, end in zip(shapes, ends.tolist(), strict=True)
    ]
    return keras.Model(stored, learned(inputs), name="photo_fine_learned")


def _fine(recipe: Recipe, head: Head) -> TrialNetwork:
    backbone = backbone_table.find(recipe.backbone)

    def finished(trained: keras.Model, held: Examples) -> Finished:
        network = fine_network(recipe, head)
        share = _set_best(network.learned, trained.get_weights(), held)
        note = f"Its weights are {share:.0%} of the way from the head to those after the last step."
        return Finished(_with_backbone_features(network.whole), note)

    builder = NetworkBuilder(
        lambda precision: fine_network(recipe, head).learned, finished, backbone.features
    )
    values = FrozenPart(fine_network(recipe, head).frozen)
    return TrialNetwork(builder, list(backbone.part_widths), values)


def _set_best(network: keras.Model, end: list[Weights], held: Examples) -> float:
    """Move the weights towards `end` by the share of SHARES with the smallest loss, and return it.

    The loss is that of the images held out, at the best temperature.
    """
    start = network.get_weights()

    def loss_at(share: float) -> float:
        network.set_weights(
            [one + share * (other - one) for one, other in zip(start, end, strict=True)]
        )
        logits = networks.logits(network, held.images)
        return log_loss(logits / np.float32(temperature(logits, held.labels)), held.labels)

    best = min(SHARES, key=loss_at)
    loss_at(best)
    return best


def _with_backbone_features(network: keras.Model) -> keras.Model:
    features = network.get_layer(FEATURES).output
    return keras.Model(network.input, [network.output, features], name=network.name)


def _tapped(network: keras.Model, held: Examples) -> Finished:
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
    return Finished(keras.Model(network.input, [network.output, features], name=network.name))
