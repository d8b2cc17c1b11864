"""Fits the number of epochs to the time that a training may take on this machine."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from shared.errors import SetupError
from shared.ledger.request_store import replace
from shared.messages.model_card import Preprocessing
from shared.recipes import Recipe
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.examples import Examples, Images
from worker.learners.pixels import pixels
from worker.learners.stored_views import VIEWS, Values, rows_of, stored_view
from worker.learners.trial_networks import TrialNetwork
from worker.training.augmentation import augmented
from worker.training.fit import train
from worker.training.schedule import batch_size, plan

log = logging.getLogger(__name__)
#: In the request's folder, before a hash of the recipe: a later attempt resumes with the same
#: number, and one of another version of Hangtag measures again.
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


class Pace(NamedTuple):
    """Seconds of an image, on this machine, now."""

    step_s: float  #: of learning from it once
    view_s: float = 0.0  #: of computing what the learned part reads for one view of it

    def seconds(self, epochs: int, images: int, held: int) -> float:
        """Those of a training, the rest beside the epochs included."""
        views = images * min(VIEWS, epochs) + held
        steps = epochs * (images + MEASURING * held)
        return (self.step_s * steps + self.view_s * views) / SHARE


def within(
    recipe: Recipe,
    images: int,
    held: int,
    seconds: float,
    folder: Path,
    measure: Callable[[], Pace],
    command: str,
    *,
    corrected: bool = False,
) -> Recipe:
    """The recipe with as many of its epochs as fit into `seconds`; 0: with all.

    `measure` is called in the first attempt only. `command` trains again, once its `--minutes` are
    added, and its corrections if it is `corrected`.

    Raises:
        SetupError: not even one epoch fits.
    """
    if not seconds:
        return recipe
    path = folder / _pinned(recipe)
    if not path.exists():
        pace = measure()
        epoch_s = pace.seconds(1, images, held)
        if epoch_s > seconds:
            raise SetupError(
                f"one epoch of {images:,} photos needs about {math.ceil(epoch_s / 60)} minutes, "
                f"and {seconds / 60:.3g} are allowed; allow more with: {command} "
                f"--minutes {math.ceil(MARGIN * epoch_s / 60)}{SAME_LABELS if corrected else ''}"
            )
        epochs = plan(recipe, images).epochs
        while pace.seconds(epochs, images, held) > seconds:
            epochs -= 1
        log.info(
            "%d epochs of %d images at %.1f ms each, and %.1f ms for each of their views",
            epochs, images, 1000 * pace.step_s, 1000 * pace.view_s,
        )  # fmt: skip
        replace(path, str(epochs).encode())
    return recipe.lasting(int(path.read_text("ascii")))


def _pinned(recipe: Recipe) -> str:
    key = hashlib.sha256(msgspec.json.encode(recipe.training)).hexdigest()[:8]
    return f"{PINNED}-{key}"


def timed(recipe: Recipe, images: int) -> Recipe:
    """Two epochs for a part of this many images, in batches of the size that all of them have."""
    batch = batch_size(recipe, images)
    return msgspec.structs.replace(recipe, epochs=2, least_steps=0, batch=batch)


def pace(
    recipe: Recipe,
    learn: PhotoFeatures,
    classes: int,
    trial: TrialNetwork,
    seed: int,
    scratch: Path,
) -> Pace:
    """The time that images take."""
    assert recipe.size is not None
    few = learn.where(np.arange(len(learn.labels)) < PACE_IMAGES)
    images = pixels(few, Preprocessing(*recipe.size), scratch)
    examples, view_s = Examples(images, few.labels), 0.0
    if trial.values:
        view_s, rows = _timed_views(trial.values, images, recipe, seed)
        examples = Examples(rows, few.labels)
    single = Examples(examples.images[:1, 0] if trial.values else images[:1], few.labels[:1])
    # The first epoch compiles the network.
    trained = train(
        timed(recipe, len(learn.labels)), examples, single, classes, seed,
        build=trial.builder.build, view=stored_view if trial.values else augmented,
    )  # fmt: skip
    return Pace(trained.history[1].seconds / len(few.labels), view_s)


def _timed_views(values: Values, images: Images, recipe: Recipe, seed: int) -> tuple[float, Images]:
    """The seconds of a view of an image, and one view of each."""
    numbers = np.arange(len(images))
    rows_of(values, images, numbers, 1, recipe, seed)  # the first calls convert the network
    start = time.perf_counter()
    rows = rows_of(values, images, numbers, 1, recipe, seed)
    return (time.perf_counter() - start) / len(images), rows
