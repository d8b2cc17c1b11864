"""Training: a recipe, examples and a seed in, a network out. One epoch after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import msgspec
import numpy as np
import tensorflow as tf

from worker import checkpoint, networks, precision
from worker.augment import augmented
from worker.calibrate import softmax
from worker.evaluate import score
from worker.examples import Examples
from worker.recipes import Recipe

Step = Callable[[Any, Any, Any], Any]


class Epoch(msgspec.Struct, frozen=True):
    """One line of the history. Losses in nats; `heldout_...` with the weights of the moment."""

    number: int  #: 1 is the first
    loss: float  #: on the augmented images
    accuracy: float
    heldout_loss: float
    heldout_accuracy: float
    seconds: float

    def __str__(self) -> str:
        return (
            f"epoch {self.number:2d}  loss {self.loss:.4f}  accuracy {self.accuracy:.4f}  "
            f"held-out loss {self.heldout_loss:.4f}  accuracy {self.heldout_accuracy:.4f}  "
            f"{self.seconds:.1f} s"
        )


class Trained(NamedTuple):
    """The network (uint8 images in, logits out) and how it came about."""

    network: keras.Model
    history: list[Epoch]


def train(
    recipe: Recipe,
    examples: Examples,
    heldout: Examples,
    classes: int,
    seed: int,
    *,
    state: Path | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Trained:
    """Train `recipe` on `examples`; `heldout` is only looked at.

    After each epoch, what training needs is kept in the file `state`; a training that finds its
    own state there goes on from it and ends with the same weights. `on_epoch` may raise to stop.

    Raises:
        SetupError: the images are too small, or `state` belongs to another training.
    """
    keras.utils.set_random_seed(seed)
    shape = examples.images.shape[1:]
    network = networks.build(recipe, shape, classes, precision.of(recipe))
    optimizer = _optimizer(recipe, network)
    variables = [*network.variables, *optimizer.variables]
    key = f"{msgspec.json.encode(recipe).decode()} {seed} {examples.fingerprint()}"
    history = checkpoint.restore(state, key, variables, Epoch) if state else []
    step = _step(network, optimizer)
    for epoch in range(len(history), recipe.epochs):
        history.append(_run(step, recipe, network, examples, heldout, seed, epoch))
        if state:
            checkpoint.save(state, key, variables, history)
        on_epoch(history[-1])
    if recipe.average:
        optimizer.finalize_variable_values(network.trainable_variables)
    exact = networks.build(recipe, shape, classes)
    exact.set_weights(network.get_weights())
    return Trained(exact, history)


def rate(recipe: Recipe, done: float) -> float:
    """The learning rate when the share `done` (0 to 1) of all steps is behind."""
    if done < recipe.warmup_share:
        return recipe.peak_rate * done / recipe.warmup_share
    if not recipe.one_cycle:
        return recipe.peak_rate
    return recipe.peak_rate * (1 - done) / (1 - recipe.warmup_share)


def _optimizer(recipe: Recipe, network: keras.Model) -> Any:
    averaged = {"use_ema": True, "ema_momentum": recipe.average} if recipe.average else {}
    if recipe.decay:
        optimizer = keras.optimizers.AdamW(weight_decay=recipe.decay, **averaged)
        # Kernels only: pulling an offset or a scale towards 0 helps nobody.
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    else:
        optimizer = keras.optimizers.Adam(**averaged)
    optimizer.build(network.trainable_variables)
    return optimizer


def _step(network: keras.Model, optimizer: Any) -> Step:
    """One step on a batch; answers with its loss and how many labels were right."""

    def step(images: Any, labels: Any, rate: Any) -> Any:
        optimizer.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            answer = network(images, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, answer)
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, network.trainable_variables))
        right = tf.reduce_sum(tf.cast(tf.argmax(answer, 1) == labels, tf.float32))
        return tf.stack([tf.reduce_sum(losses), right])

    compiled: Step = tf.function(step, reduce_retracing=True)
    return compiled


def _run(
    step: Step,
    recipe: Recipe,
    network: keras.Model,
    examples: Examples,
    heldout: Examples,
    seed: int,
    epoch: int,
) -> Epoch:
    """Epoch 0, 1, ...: all images once, in an order that only `seed` and `epoch` decide."""
    start = time.perf_counter()
    images = augmented(examples.images, recipe, seed, epoch)
    count = len(images)
    order = np.random.default_rng([seed, epoch, 1]).permutation(count)
    sums = np.zeros(2)
    for first in range(0, count, recipe.batch):
        chosen = order[first : first + recipe.batch]
        middle = min(first + recipe.batch / 2, count) / count
        now = np.float32(rate(recipe, (epoch + middle) / recipe.epochs))
        sums += step(images[chosen], examples.labels[chosen], now).numpy()
    seen = score(softmax(networks.logits(network, heldout.images)), heldout.labels)
    return Epoch(
        number=epoch + 1,
        loss=float(sums[0]) / count,
        accuracy=float(sums[1]) / count,
        heldout_loss=seen.loss,
        heldout_accuracy=seen.accuracy,
        seconds=time.perf_counter() - start,
    )
