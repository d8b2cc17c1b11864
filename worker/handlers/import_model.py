"""The request to import a Keras classifier from another source as a version."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import keras
import msgspec

from shared.errors import HangtagError, SetupError, is_fault_of_machine
from shared.messages.model_card import Card, PixelBounds, Preprocessing
from shared.messages.replies import DataReport, Trained
from shared.messages.requests import Import
from shared.messages.training import FASHION_MNIST
from shared.registry import staging
from shared.registry.mirror_writer import refresh
from worker.datasets import fashion_mnist, load
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.examples import Digests, Examples, Images
from worker.evaluation import heldout_answers
from worker.export import keras_import
from worker.export.export import export, export_unlabelled
from worker.export.served import Served
from worker.handlers import promotion
from worker.handlers.context import EVALUATING, LOADING, PUBLISHING, Context, Reply
from worker.handlers.evaluate import mapped
from worker.handlers.import_network import new_card, sent_file
from worker.learners.learner import BuiltVersion
from worker.learners.network import calibration_images
from worker.training.assessment import assess

EXPORTING = "exporting"


class Labelled(NamedTuple):
    """Images with the card's labels, for calibration and evaluation."""

    held: Examples
    files: Digests | None  #: of `held`
    test: Examples | None
    learn: Images  #: the other images, for the ranges of int8 values
    report: DataReport
    pixel_bounds: PixelBounds | None


def import_model(context: Context, work: Import) -> Reply:
    """A Trained.

    Raises:
        SetupError: the file is refused, does not fit its labels, or the runtimes disagree.
        RequestStopped: the request was cancelled or taken over.
    """
    context.stage(LOADING)
    card = staging.published(context.registry, work.name, context.request.mark)
    if card is None:
        made = _make(context, work)
        context.stage(PUBLISHING)
        card = context.registry.publish(*made, who=context.who, confirm=context.confirm)
    labelled = _labelled(context, work, card.preprocessing, unlearned=True)
    decided = promotion.settle(context, card, work.promote, _heldout(context, work))
    refresh(context.client, context.registry)
    seconds = time.time() - context.started
    report = labelled.report if labelled else None
    return Reply(Trained(card.ref, card.metrics, decided, seconds, report))


def _make(context: Context, work: Import) -> BuiltVersion:
    file = sent_file(context, work.sha256)
    network = keras_import.network(file, len(work.labels), work.scale)
    shape: tuple[int, int, int] = network.input_shape[1:]
    spec = preprocessing(work.data, shape)
    labelled = _labelled(context, work, spec, unlearned=True)
    card = _card(context, work, network, spec, labelled)
    context.stage(EXPORTING)
    if labelled is None:
        served = _exported(lambda: export_unlabelled(network, card, keras_import.probes(shape)))
        return BuiltVersion(served.card, served.files)
    held = labelled.held
    served = _exported(
        lambda: export(
            network, card, held, calibration_images(labelled.learn), requested=work.precision
        )
    )
    context.stage(EVALUATING)
    answers = heldout_answers.of(held, served.logits, labelled.files)
    assessed = assess(served.card, served.files, [], held, answers.logits, labelled.test)
    files = served.files | {heldout_answers.FILE: heldout_answers.encode(answers)}
    card = msgspec.structs.replace(served.card, metrics=assessed.metrics)
    return BuiltVersion(card, files | assessed.files)


def _card(
    context: Context,
    work: Import,
    network: keras.Model,
    spec: Preprocessing,
    labelled: Labelled | None,
) -> Card:
    card = new_card(context, work.name, work.labels, spec, network.count_params())
    if labelled is None:
        return card
    held, name = labelled.held, labelled.report.name
    return msgspec.structs.replace(
        card,
        dataset=name,
        dataset_fingerprint=held.fingerprint(),
        notes=f"Imported; calibrated on {len(held.labels)} images of {name}. It is unknown "
        "whether it was trained on them.",
        source=work.data,
        pixel_bounds=labelled.pixel_bounds,
    )


def preprocessing(place: str, shape: tuple[int, int, int]) -> Preprocessing:
    """The preprocessing of the network's images: that of its data set if that is known."""
    if place == FASHION_MNIST and shape == load.FASHION_SHAPE:
        return fashion_mnist.PREPROCESSING
    return Preprocessing(*shape)


def _exported(act: Callable[[], Served]) -> Served:
    try:
        return act()
    except HangtagError:
        raise
    except Exception as error:  # the converter raises exceptions of any class
        if is_fault_of_machine(error):
            raise
        reason = " ".join(str(error).split())[:200]
        raise SetupError(
            f"LiteRT cannot represent this network ({reason}); import one with simpler layers"
        ) from error


def _labelled(
    context: Context, work: Import, spec: Preprocessing, *, unlearned: bool = False
) -> Labelled | None:
    """The images of `--data`, preprocessed for this network; None without the option. `unlearned`:
    with those that a training of Hangtag, as of another version, would learn from.

    Raises:
        SetupError: they are not available, or none of them is held out.
    """
    if not work.data:
        return None

    labelled = LabelledData(work.data)
    data, report = load.load(
        labelled, None, spec, context.folder, unlearned=unlearned, on_progress=context.loading
    )
    if not len(data.heldout.labels):
        raise SetupError(f"{data.name} has too few images to hold any out; add some")

    def named(examples: Examples) -> Examples:
        return Examples(examples.images, mapped(examples.labels, data.labels, work.labels))

    test = data.test if data.test is not None and len(data.test.labels) else None
    return Labelled(
        named(data.heldout),
        data.heldout_files,
        None if test is None else named(test),
        data.examples.images if len(data.examples.labels) else data.heldout.images,
        report,
        data.pixel_bounds,
    )


def _heldout(context: Context, work: Import) -> promotion.HeldOut:
    """Returns the held-out images, preprocessed for this or for another version."""

    def heldout(spec: Preprocessing) -> Examples | None:
        try:
            labelled = _labelled(context, work, spec)
        except SetupError:  # the other version may need colour while these images are grey
            return None
        return None if labelled is None else labelled.held

    return heldout
