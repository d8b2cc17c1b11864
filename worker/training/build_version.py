"""Builds a version from a recipe and data: its files and its card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import msgspec
import numpy as np

from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.messages.training import Train
from shared.recipes import Recipe
from worker.datasets import split
from worker.datasets.examples import Examples, Images
from worker.datasets.load import DataSet
from worker.evaluation import heldout_answers, seen_images
from worker.export.convert import CALIBRATION_IMAGES
from worker.export.export import Served, export
from worker.training.assessment import assess
from worker.training.blank_card import blank_card
from worker.training.distillation import Ensemble
from worker.training.epoch import Epoch, Step
from worker.training.fit import Build, TrainedNetwork, train
from worker.training.teachers import Teachers

HISTORY = "history.json"
NO_TEACHERS = Teachers()


class NetworkForm(NamedTuple):
    """A network in place of the recipe's, and what its graph returns besides logits."""

    build: Build | None = None  #: untrained, as in `train`
    #: The trained network with its features as second output.
    with_features: Callable[[keras.Model], keras.Model] = lambda network: network
    features: int = 0  #: their number


PLAIN = NetworkForm()


class BuiltVersion(NamedTuple):
    """A version without a number: a card without `files`, and the files by name."""

    card: Card
    files: dict[str, bytes]


def build_version(
    work: Train,
    recipe: Recipe,
    data: DataSet,
    *,
    state: Path | None = None,
    request: str = "",
    teachers: Teachers = NO_TEACHERS,
    form: NetworkForm = PLAIN,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_step: Callable[[Step], None] = lambda step: None,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_teacher: Callable[[int], None] = lambda number: None,
) -> BuiltVersion:
    """Train, first the teachers, export, calibrate, compare, measure, plot.

    `state`, `on_epoch` and `on_step` as in `train`, `on_teacher` as in `Teachers.ensemble`.
    `request` is written to the card; `on_stage` gets the name of each stage, and may raise.

    Raises:
        SetupError: the data do not suit the recipe, or the exported files do not agree.
    """
    learn, held = _parts(data)

    def fit(seed: int, state: Path | None, ensemble: Ensemble | None = None) -> TrainedNetwork:
        return train(
            recipe, learn, held, len(data.labels), seed, state=state, options=work,
            teachers=ensemble, build=form.build, on_epoch=on_epoch, on_step=on_step,
        )  # fmt: skip

    on_stage("training")
    ensemble = teachers.ensemble(
        recipe, data, work.seed, lambda seed, state: fit(seed, state).network, state, on_teacher
    )
    trained = fit(work.seed, state, ensemble)
    on_stage("exporting")
    card = blank_card(work.name, recipe, data, work.seed)
    card = msgspec.structs.replace(
        card,
        parameters=trained.network.count_params(),
        gates=data.gates,
        features=form.features,
    )
    served = export(
        form.with_features(trained.network),
        card,
        held,
        calibration_images(learn.images),
        requested=work.precision,
        mirror=recipe.mirror,
    )
    on_stage("evaluating")
    made = _assessed(served, trained.history, learn, held, data)
    card = msgspec.structs.replace(
        made.card, request=request, source=work.data, teachers=teachers.names(work.seed)
    )
    return made._replace(card=card)


def _assessed(
    served: Served,
    history: list[Epoch],
    learn: Examples,
    held: Examples,
    data: DataSet,
) -> BuiltVersion:
    """The version with its figures, plots and records."""
    assessment = assess(served.card, served.files, history, held, served.logits, data.test)
    card = msgspec.structs.replace(
        served.card,
        metrics=assessment.metrics,
        epochs=len(history),
        dataset_fingerprint=learn.fingerprint(),
        notes=f"Trained on {len(learn.labels)} images; {len(held.labels)} were held out.",
    )
    answers = heldout_answers.of(held, served.logits, data.heldout_files)
    files = served.files | {
        HISTORY: msgspec.json.format(msgspec.json.encode(history), indent=2),
        heldout_answers.FILE: heldout_answers.encode(answers),
    }
    return BuiltVersion(card, files | assessment.files | seen_images.files(learn, held))


def calibration_images(images: Images) -> Images:
    """Some of the training images, the same ones each time, to fit the ranges of int8 values."""
    order = np.random.default_rng(0).permutation(len(images))
    return images[np.sort(order[:CALIBRATION_IMAGES])]


def _parts(data: DataSet) -> tuple[Examples, Examples]:
    """The images to learn from, and those held out."""
    if data.heldout is not None:
        return data.examples, data.heldout
    learn, held = split.hold_out(data.examples)
    if not len(held.labels):
        raise SetupError(
            f"no class of {data.name} has {split.SMALLEST_HELDOUT} images, so none can be held "
            "out; add more images"
        )
    return learn, held
