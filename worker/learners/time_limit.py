"""Fits the number of epochs to the time that a training may take on this machine."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from shared.errors import SetupError
from shared.ledger.request_store import replace
from shared.messages.model_card import Preprocessing
from shared.recipes import Recipe
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.examples import Examples
from worker.learners.network import NetworkBuilder
from worker.learners.pixels import pixels
from worker.training.fit import train
from worker.training.schedule import batch_size, plan

log = logging.getLogger(__name__)
#: In the request's folder: a later attempt resumes with the same number.
PINNED = "epochs"
#: Share of the time for the epochs; loading, export and evaluation take the rest.
SHARE = 0.8
#: Measuring an image costs a third of learning from it.
MEASURING = 1 / 3
#: Images of the two epochs whose second is timed.
PACE_IMAGES = 64
#: A factor on the minutes of an epoch, so that another measurement does not refuse these.
MARGIN = 1.1
#: The files of the corrections are not known here.
SAME_LABELS = ", and the same --corrections"


def within(
    recipe: Recipe,
    images: int,
    held: int,
    seconds: float,
    folder: Path,
    measure: Callable[[], float],
    command: str,
    *,
    corrected: bool = False,
) -> Recipe:
    """The recipe with as many of its epochs as fit into `seconds`; 0: with all.

    `measure` returns the seconds of a training step and image, in the first attempt only. `command`
    trains again, once its `--minutes` are added, and its corrections if it is `corrected`.

    Raises:
        SetupError: not even one epoch fits.
    """
    if not seconds:
        return recipe
    path = folder / PINNED
    if not path.exists():
        pace_s = measure()
        epoch_s = pace_s * (images + MEASURING * held) / SHARE
        if epoch_s > seconds:
            raise SetupError(
                f"one epoch of {images:,} photos needs about {math.ceil(epoch_s / 60)} minutes, "
                f"and {seconds / 60:.3g} are allowed; allow more with: {command} "
                f"--minutes {math.ceil(MARGIN * epoch_s / 60)}{SAME_LABELS if corrected else ''}"
            )
        epochs = min(plan(recipe, images).epochs, int(seconds / epoch_s))
        log.info("%d epochs of %d images at %.1f ms each", epochs, images, 1000 * pace_s)
        replace(path, str(epochs).encode())
    return recipe.lasting(int(path.read_text("ascii")))


def timed(recipe: Recipe, images: int) -> Recipe:
    """Two epochs for a part of this many images, in batches of the size that all of them have."""
    batch = batch_size(recipe, images)
    return msgspec.structs.replace(recipe, epochs=2, least_steps=0, batch=batch)


def seconds_per_image(
    recipe: Recipe,
    learn: PhotoFeatures,
    classes: int,
    builder: NetworkBuilder,
    seed: int,
    scratch: Path,
) -> float:
    """The time of a training step and image on this machine, now."""
    assert recipe.size is not None
    few = learn.where(np.arange(len(learn.labels)) < PACE_IMAGES)
    some = Examples(pixels(few, Preprocessing(*recipe.size), scratch), few.labels)
    single = Examples(some.images[:1], some.labels[:1])
    # The first epoch compiles the network.
    trained = train(
        timed(recipe, len(learn.labels)), some, single, classes, seed, build=builder.build
    )
    return trained.history[1].seconds / len(some.labels)
