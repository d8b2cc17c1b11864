"""The teachers of a version: published versions, and networks that are trained first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from shared.errors import SetupError
from shared.messages.model_card import Card, Preprocessing, card_sha256
from shared.recipes import RECIPES, Recipe
from shared.runtimes import TENSORFLOW
from worker.datasets.examples import Images
from worker.datasets.load import DataSet
from worker.runtimes.tensorflow_runtime import load_model
from worker.training import networks
from worker.training.distillation import Ensemble, Teacher

ARCHIVE = TENSORFLOW.artifact
#: Smallest probability for the logarithm: 69 nats.
SMALLEST = 1e-30
#: The number of images on which a network that was built again is compared with the published one,
#: and the largest difference of their probabilities.
PROBES, PROBE_TOLERANCE = 64, 1e-3
#: Trains a network from a seed, with its checkpoint in a file.
Fit = Callable[[int, Path | None], keras.Model]


class TeacherVersion(NamedTuple):
    card: Card
    archive: bytes  #: its file ARCHIVE
    seed_only: bool = False  #: it is not published: named by its seed, not by its number


class Teachers(NamedTuple):
    """The teachers that a version is to have; none by default."""

    by: int = 0  #: networks that are trained first, with the seeds after the version's
    versions: tuple[TeacherVersion, ...] = ()

    def names(self, seed: int) -> tuple[str, ...]:
        """Their names in the card of a version with this seed."""
        versions = [
            f"seed {version.card.seed}" if version.seed_only else version.card.ref
            for version in self.versions
        ]
        return (*versions, *(f"seed {seed + number}" for number in range(1, self.by + 1)))

    def ensemble(
        self,
        recipe: Recipe,
        data: DataSet,
        seed: int,
        fit: Fit,
        state: Path | None,
        on_teacher: Callable[[int], None],
    ) -> Ensemble | None:
        """Load and train the teachers; None if there are none.

        `fit` trains those that are trained first, each with its own checkpoint beside `state`.
        `on_teacher` gets the number of each before, from 1, and 0 after the last.

        Raises:
            SetupError: a version has other labels or another input than the data.
        """
        precision = networks.precision_of(recipe)  # exact enough for targets
        teachers = [_of_version(version, data, precision) for version in self.versions]
        for number in range(1, self.by + 1):
            on_teacher(number)
            network = fit(seed + number, state_of_teacher(state, number) if state else None)
            if precision != networks.EXACT:
                network = _built(recipe, network, precision)
            teachers.append(Teacher(f"seed {seed + number}", network))
        if self.by:
            on_teacher(0)
        return Ensemble(tuple(teachers)) if teachers else None


def state_of_teacher(state: Path, number: int) -> Path:
    """The checkpoint of a teacher, beside that of its student."""
    return state.with_name(f"{state.stem}-teacher-{number}{state.suffix}")


def logits_of(model: keras.Model, card: Card) -> keras.Model:
    """A version's `model.keras` with logits as its output, up to a constant for each image."""
    if card.output == "logits":
        # A version of photos returns features besides.
        return model if len(model.outputs) == 1 else keras.Model(model.input, model.outputs[0])
    log = keras.ops.log(keras.ops.maximum(model.output, SMALLEST))
    return keras.Model(model.input, log * card.temperature, name=model.name)


def in_precision(exact: keras.Model, card: Card, precision: str, probes: Images) -> keras.Model:
    """A version's logits, computed in the precision if its recipe can build the same network.

    It can if both agree on the images `probes`. Imported versions have no recipe, and the table of
    recipes may have changed since.
    """
    recipe = RECIPES.get(card.recipe)
    if recipe is None or precision == networks.EXACT:
        return exact
    mirror = recipe.mirror and card.output == "probabilities"
    try:
        same = _built(recipe, exact, networks.EXACT, mirror)
    except (SetupError, ValueError):  # other layers
        return exact
    actual, expected = (
        np.asarray(keras.ops.softmax(networks.logits(model, probes))) for model in (same, exact)
    )
    if not np.abs(actual - expected).max() < PROBE_TOLERANCE:
        return exact
    return _built(recipe, exact, precision, mirror)


def _of_version(version: TeacherVersion, data: DataSet, precision: str) -> Teacher:
    card = version.card
    _check(card, data)
    model = load_model(version.archive)
    shape = data.examples.images.shape[1:]
    logits = tuple(model.outputs[0].shape)
    if model.input_shape != (None, *shape) or logits != (None, len(card.labels)):
        raise SetupError(
            f"{ARCHIVE} of {card.ref} does not have the shapes of its card; publish it again"
        )
    probes = data.examples.images[:PROBES]
    network = in_precision(logits_of(model, card), card, precision, probes)
    return Teacher(f"{card.ref} {card_sha256(card)}", network)


def _check(card: Card, data: DataSet) -> None:
    if card.labels != data.labels:
        same = sorted(card.labels) == sorted(data.labels)
        what = "orders the labels differently from" if same else "has other labels than"
        raise SetupError(
            f"{card.ref} {what} {data.name}, so it cannot teach; name a version of the same "
            "labels with --teacher, or train teachers with --teach-by"
        )
    if card.preprocessing != data.preprocessing:
        raise SetupError(
            f"{card.ref} takes images of {_formatted(card.preprocessing)}, this training "
            f"{_formatted(data.preprocessing)}, so it cannot teach; choose the --recipe of that "
            "version, or train teachers with --teach-by"
        )


def _formatted(spec: Preprocessing) -> str:
    inverted = ", inverted" if spec.invert else ""
    size = f"{spec.height}x{spec.width}x{spec.channels}"
    return f"{size} ({spec.convert}, ground {spec.ground}{inverted})"


def _built(recipe: Recipe, like: keras.Model, precision: str, mirror: bool = False) -> keras.Model:
    """The network of a recipe in a precision, with the weights of another. Raises ValueError."""
    network = networks.build(recipe, like.input_shape[1:], like.output_shape[1], precision)
    network.set_weights(like.get_weights())
    return both_views(network) if mirror else network


def both_views(network: keras.Model) -> keras.Model:
    """The mean logits of an image and its mirror image, as versions that return probabilities."""
    images = keras.Input(network.input_shape[1:], dtype="uint8", name="images")
    both = [network(images), network(keras.ops.flip(images, axis=2))]
    return keras.Model(images, keras.layers.Average(name="mean_logits")(both), name=network.name)
