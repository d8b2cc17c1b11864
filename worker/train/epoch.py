"""One epoch of a training.

Order and augmentation depend only on the seed and the number of the epoch: a training seeds a
generator for each batch, so a resumed training sees the same images.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from shared.errors import SetupError
from shared.recipes import Recipe
from worker.datasets.decode_files import prefetched
from worker.datasets.examples import Examples
from worker.train.augmentation import Numbers, augmented
from worker.train.schedule import Schedule, rate

#: Minimum interval between two calls of `on_step`.
STEP_INTERVAL_S = 0.25
#: Batches are prepared in parallel with the network, which uses all cores where there is no GPU.
BATCH_THREADS = max(1, min(4, len(os.sched_getaffinity(0)) // 4))

#: Images, labels, learning rate in; float64 [2] out: the sum of losses, the number of right labels.
StepFunction = Callable[[Any, Any, Any], Any]


class Step(msgspec.Struct, frozen=True):
    """The progress of a training within an epoch."""

    epoch: int  #: in progress, 1 is the first
    epochs: int
    step: int  #: the last one completed, 1 is the first
    steps: int  #: of one epoch
    loss: float  #: nats per image, of this epoch so far
    accuracy: float  #: likewise
    rate: float  #: images per second since the first step of the epoch, which has 0


def train_epoch(
    step: StepFunction,
    examples: Examples,
    recipe: Recipe,
    plan: Schedule,
    seed: int,
    epoch: int,
    on_step: Callable[[Step], None],
) -> tuple[float, float]:
    """Train epoch 0, 1, ...; the mean loss and accuracy over its images.

    Raises:
        SetupError: the loss is not finite.
    """
    parts = np.array_split(_order(plan, seed, epoch), plan.steps)
    sums = np.zeros(2)
    seen = before = 0
    reported = paced = time.perf_counter()
    for number, (images, labels) in enumerate(_batches(examples, recipe, parts, seed, epoch)):
        done = (epoch + (seen + len(labels) / 2) / plan.images) / plan.epochs
        sums += step(images, labels, np.float32(rate(recipe, plan, done))).numpy()
        _check(float(sums[0]), epoch)
        seen += len(labels)
        now = time.perf_counter()
        if number == 0:  # TensorFlow compiled in it: no pace of the others
            before, paced = seen, now
        if now - reported >= STEP_INTERVAL_S:
            reported = now
            loss, accuracy = (sums / seen).tolist()
            pace = (seen - before) / (now - paced) if seen > before else 0.0
            on_step(Step(epoch + 1, plan.epochs, number + 1, plan.steps, loss, accuracy, pace))
    loss, accuracy = (sums / plan.images).tolist()
    return loss, accuracy


def _order(plan: Schedule, seed: int, epoch: int) -> Numbers:
    order: Numbers = np.random.default_rng([seed, epoch, 1]).permutation(plan.images)
    return order


def _batches(
    examples: Examples,
    recipe: Recipe,
    parts: Sequence[Numbers],
    seed: int,
    epoch: int,
) -> Iterator[Examples]:
    def batch(part: tuple[int, Numbers]) -> Examples:
        number, numbers = part
        rng = np.random.default_rng([seed, epoch, 2, number])
        images = augmented(examples.images[numbers], numbers, recipe, epoch, rng)
        return Examples(images, examples.labels[numbers])

    return prefetched(batch, enumerate(parts), BATCH_THREADS)


def _check(loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        raise SetupError(
            f"the loss is not finite in epoch {epoch + 1}; train again with another --seed, or "
            "with another --recipe"
        )
