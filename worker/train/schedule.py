"""The steps and epochs of a training, and its learning rate."""

from __future__ import annotations

import math
from typing import NamedTuple

from shared.recipes import Recipe

#: A set of fewer batches than this gets smaller ones, down to a smallest size.
BATCHES_WANTED = 8
SMALLEST_BATCH = 8
#: The weights are averaged over at most a twentieth of all steps: at the start they are noise.
AVERAGED_SHARE = 1 / 20


class Schedule(NamedTuple):
    """A recipe's schedule for a set of a given size."""

    images: int  #: of one epoch
    epochs: int
    steps: int  #: of one epoch; their batches differ by one image at most
    peak_rate: float
    average: float  #: momentum of the moving average of the weights


def batch_size(recipe: Recipe, count: int) -> int:
    """The largest batch of a training on `count` images."""
    if not recipe.least_steps:
        return recipe.batch
    return min(recipe.batch, max(SMALLEST_BATCH, count // BATCHES_WANTED))


def plan(recipe: Recipe, count: int) -> Schedule:
    """The plan for `count` >= 1 images. Only a recipe with `least_steps` adapts to the count."""
    batch, epochs, average = batch_size(recipe, count), recipe.epochs, recipe.average
    if recipe.least_steps:
        epochs = max(epochs, math.ceil(recipe.least_steps / math.ceil(count / batch)))
    steps = math.ceil(count / batch)
    if average:
        average = max(0.0, min(average, 1 - 1 / (AVERAGED_SHARE * steps * epochs)))
    # With Adam the rate scales with the square root of the batch size: arXiv:2205.10287.
    peak = recipe.peak_rate * math.sqrt(batch / recipe.batch)
    return Schedule(count, epochs, steps, peak, average)


def rate(recipe: Recipe, plan: Schedule, done: float) -> float:
    """The learning rate after the share `done` (0 to 1) of all steps."""
    if done < recipe.warmup_share:
        return plan.peak_rate * done / recipe.warmup_share
    if not recipe.one_cycle:
        return plan.peak_rate
    return plan.peak_rate * (1 - done) / (1 - recipe.warmup_share)
