"""Fits the number of epochs to the time that a training may take on this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from shared.ledger.request_store import replace
from worker.recipes.recipes import Recipe
from worker.training.schedule import plan

log = logging.getLogger(__name__)
#: In the request's folder: a later attempt resumes with the same number.
PINNED = "epochs"
#: Share of the time for the epochs; loading, export and evaluation take the rest.
SHARE = 0.8
#: Measuring an image costs a third of learning from it.
MEASURING = 1 / 3


def within(
    recipe: Recipe,
    images: int,
    held: int,
    seconds: float,
    folder: Path,
    seconds_per_image: Callable[[], float],
) -> Recipe:
    """The recipe with as many of its epochs as fit into `seconds`, one at least; 0: with all.

    `seconds_per_image` measures a training step; it is called in the first attempt only.
    """
    if not seconds:
        return recipe
    path = folder / PINNED
    if not path.exists():
        pace_s = seconds_per_image()
        possible = int(SHARE * seconds / (pace_s * (images + MEASURING * held)))
        epochs = max(1, min(plan(recipe, images).epochs, possible))
        log.info("%d epochs of %d images at %.1f ms each", epochs, images, 1000 * pace_s)
        replace(path, str(epochs).encode())
    return recipe.lasting(int(path.read_text("ascii")))
