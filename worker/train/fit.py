"""Trains a network from a recipe, examples and a seed."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import msgspec
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from shared.errors import SetupError
from shared.recipes import Recipe
from worker.datasets.examples import Examples, Labels
from worker.evaluation.metrics import Epoch, score
from worker.runtimes.runtime import softmax
from worker.train import networks
from worker.train.checkpoint import Checkpoint
from worker.train.epoch import Step, StepFunction, train_epoch
from worker.train.schedule import Schedule, plan

#: Part of a checkpoint's key. A change of code that leads to other weights increases it, so that
#: no training continues a half of the old code.
FORMAT = 3
#: What each image adds to the loss, from the images, their cross-entropies on the labels, and the
#: logits.
Loss = Callable[[Any, Any, Any], Any]


class TrainedNetwork(NamedTuple):
    """The network (uint8 images in, logits out) and its history."""

    network: keras.Model
    history: list[Epoch]


def on_labels(images: Any, losses: Any, logits: Any) -> Any:
    """The loss on the labels alone."""
    return losses


def train(
    recipe: Recipe,
    examples: Examples,
    heldout: Examples,
    classes: int,
    seed: int,
    *,
    state: Path | None = None,
    weighted: bool = False,
    loss: Loss = on_labels,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_step: Callable[[Step], None] = lambda step: None,
) -> TrainedNetwork:
    """Train `recipe` on `examples`; `heldout` is only measured.

    After each epoch the checkpoint is stored in the file `state`; a training that finds its own
    checkpoint there resumes from it and ends with the same weights. `weighted`: every class has the
    same weight in the loss. `loss`: in place of that on the labels, which the history has all the
    same; a checkpoint belongs to any. `on_step` is called a few times a second at most; it and
    `on_epoch` may raise to stop.

    Raises:
        SetupError: the images are too few or too small, `state` belongs to another training, or
            the loss is not finite.
    """
    if not len(examples.labels) or not len(heldout.labels):
        raise SetupError("there are no images to learn from or none held out; add more images")
    keras.utils.set_random_seed(seed)
    schedule, shape = plan(recipe, len(examples.labels)), examples.images.shape[1:]
    make = partial(networks.build, recipe, shape, classes)
    network = make(networks.precision_of(recipe))
    optimizer = _optimizer(recipe, schedule, network)
    key = _key(recipe, seed, examples, weighted)
    saved = Checkpoint(state, key, [*network.variables, *optimizer.variables])
    weights = _weights(examples.labels, classes, weighted)
    step = _step(network, optimizer, weights, loss)
    for epoch in range(len(saved.history), schedule.epochs):
        start = time.perf_counter()
        learned = train_epoch(step, examples, recipe, schedule, seed, epoch, on_step)
        evaluation = score(softmax(networks.logits(network, heldout.images)), heldout.labels)
        seconds = time.perf_counter() - start
        saved.add(Epoch(epoch + 1, *learned, evaluation.loss, evaluation.accuracy, seconds))
        on_epoch(saved.history[-1])
    if schedule.average:
        optimizer.finalize_variable_values(network.trainable_variables)
    return TrainedNetwork(_exact(network, make), saved.history)


def _exact(network: keras.Model, make: Callable[[str], keras.Model]) -> keras.Model:
    """The network, or where it computes in bfloat16 another one with its weights."""
    if all(layer.dtype_policy.name != networks.MIXED for layer in network.layers):
        return network
    exact = make(networks.EXACT)
    exact.set_weights(network.get_weights())
    return exact


def _key(recipe: Recipe, seed: int, examples: Examples, weighted: bool) -> str:
    """Identifies a checkpoint's training by everything that the weights depend on."""
    text = f"{FORMAT} {msgspec.json.encode(recipe).decode()} {seed} {examples.fingerprint()}"
    return f"{text} weighted" if weighted else text


def _weights(labels: Labels, classes: int, weighted: bool) -> npt.NDArray[np.float32]:
    """The weight of each class's images, float32 [classes]; their mean over the images is 1."""
    if not weighted:
        return np.ones(classes, np.float32)
    counts = np.bincount(labels, minlength=classes)
    present = np.count_nonzero(counts)
    return (len(labels) / (present * np.maximum(counts, 1))).astype(np.float32)


def _optimizer(recipe: Recipe, schedule: Schedule, network: keras.Model) -> Any:
    averaged = {"use_ema": True, "ema_momentum": schedule.average} if schedule.average else {}
    if recipe.decay:
        optimizer = keras.optimizers.AdamW(weight_decay=recipe.decay, **averaged)
        # Kernels only: decay of an offset or a scale has no benefit.
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    else:
        optimizer = keras.optimizers.Adam(**averaged)
    optimizer.build(network.trainable_variables)
    return optimizer


def _step(
    network: keras.Model, optimizer: Any, weights: npt.NDArray[np.float32], loss: Loss
) -> StepFunction:
    """One step on a batch of any size, traced once."""
    of_class = tf.constant(weights)

    def step(images: Any, labels: Any, rate: Any) -> Any:
        optimizer.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            output = network(images, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, output)
            learned = loss(images, losses, output) * tf.gather(of_class, labels)
            mean = tf.reduce_mean(learned)
        optimizer.apply(tape.gradient(mean, network.trainable_variables))
        right = tf.reduce_sum(tf.cast(tf.argmax(output, 1) == labels, tf.float32))
        return tf.cast(tf.stack([tf.reduce_sum(losses), right]), tf.float64)

    batch = (None, *network.input.shape[1:])
    signature = [
        tf.TensorSpec(batch, tf.uint8),
        tf.TensorSpec([None], tf.int64),
        tf.TensorSpec([], tf.float32),
    ]
    # Without control flow in Python there is nothing for AutoGraph to convert.
    compiled: StepFunction = tf.function(step, input_signature=signature, autograph=False)
    return compiled
