"""One epoch: every image once, in an order and a dress that only the seed and the epoch decide."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np

from shared.errors import SetupError
from worker.datasets.examples import Examples
from worker.datasets.prefetch import prefetched
from worker.recipes.recipes import Recipe
from worker.training.augmentation import augmented
from worker.training.counter_rng import Numbers
from worker.training.schedule import Plan, rate

#: Between two calls of `on_step`: an eye follows no faster.
STEP_INTERVAL_S = 0.25
#: Batches are made beside the network's work, which uses all cores itself where there is no GPU.
BATCH_THREADS = max(1, min(4, len(os.sched_getaffinity(0)) // 4))

#: Images, labels, learning rate in; float64 [2] out: the sum of the losses, and how many are right.
StepFunction = Callable[[Any, Any, Any], Any]


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


class Step(msgspec.Struct, frozen=True):
    """Where a training is, within an epoch."""

    epoch: int  #: that is under way, 1 is the first
    epochs: int
    step: int  #: that is done, 1 is the first
    steps: int  #: of one epoch
    loss: float  #: nats per image, of this epoch so far
    accuracy: float  #: likewise
    rate: float  #: images per second, of this epoch so far


class EpochResult(NamedTuple):
    """What an epoch looked like from inside."""

    loss: float
    accuracy: float


def train_epochs(
    step: StepFunction,
    examples: Examples,
    recipe: Recipe,
    plan: Plan,
    seed: int,
    epoch: int,
    on_step: Callable[[Step], None],
) -> EpochResult:
    """Epoch 0, 1, ... of a training.

    Raises:
        SetupError: the loss is no number any more.
    """
    sums, seen, start = np.zeros(2), 0, time.perf_counter()
    told = start
    for number, (images, labels) in enumerate(_batches(examples, recipe, plan, seed, epoch)):
        done = (epoch + (seen + len(labels) / 2) / plan.images) / plan.epochs
        sums += step(images, labels, np.float32(rate(recipe, plan, done))).numpy()
        _check(float(sums[0]), epoch)
        seen += len(labels)
        now = time.perf_counter()
        if now - told >= STEP_INTERVAL_S:
            told = now
            loss, accuracy = (sums / seen).tolist()
            pace = seen / (now - start)
            on_step(Step(epoch + 1, plan.epochs, number + 1, plan.steps, loss, accuracy, pace))
    return EpochResult(*(sums / plan.images).tolist())


def _batches(
    examples: Examples, recipe: Recipe, plan: Plan, seed: int, epoch: int
) -> Iterator[Examples]:
    order = np.random.default_rng([seed, epoch, 1]).permutation(plan.images)

    def batch(numbers: Numbers) -> Examples:
        images = augmented(examples.images[numbers], numbers, recipe, seed, epoch)
        return Examples(images, examples.labels[numbers])

    return prefetched(batch, np.array_split(order, plan.steps), BATCH_THREADS)


def _check(loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        raise SetupError(
            f"the loss is no number any more in epoch {epoch + 1}; train again with another "
            "--seed, or with another --recipe"
        )
