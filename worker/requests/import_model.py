"""The request to import a Keras classifier from another source as a version."""

from __future__ import annotations

from collections.abc import Callable

import keras
import msgspec

from shared.errors import HangtagError, SetupError, is_fault_of_machine
from shared.messages.model_card import IMPORTED, Card, Preprocessing
from shared.messages.requests import Import
from shared.messages.training import FASHION_MNIST
from worker.datasets import fashion_mnist, load
from worker.evaluation import heldout_answers
from worker.graphs import keras_import
from worker.graphs.export import export, export_unlabelled
from worker.graphs.served import Served
from worker.requests import promotion
from worker.requests.context import EVALUATING, LOADING, Context, Reply
from worker.requests.evaluate import Labelled, labelled
from worker.requests.import_network import NOTES, UNKNOWN, sent_file
from worker.train.assessment import assess
from worker.train.learner import BuiltVersion, blank_card
from worker.train.network import calibration_images

EXPORTING = "exporting"


def import_model(context: Context, work: Import) -> Reply:
    """A Trained.

    Raises:
        SetupError: the file is refused, does not fit its labels, or the runtimes disagree.
        RequestStopped: the request was cancelled or taken over.
    """
    context.stage(LOADING)
    card = promotion.published(context, work.name, lambda: _make(context, work))
    images = _labelled(context, work, card.preprocessing)
    return promotion.trained(context, card, work.promote, data=images.report if images else None)


def _make(context: Context, work: Import) -> BuiltVersion:
    file = sent_file(context, work.sha256)
    network = keras_import.network(file, len(work.labels), work.scale)
    shape: tuple[int, int, int] = network.input_shape[1:]
    spec = preprocessing(work.data, shape)
    images = _labelled(context, work, spec)
    card = _card(context, work, network, spec, images)
    context.stage(EXPORTING)
    if images is None:
        served = _exported(lambda: export_unlabelled(network, card, keras_import.probes(shape)))
        return BuiltVersion(served.card, served.files)
    held = images.held
    served = _exported(
        lambda: export(
            network, card, held, calibration_images(images.learn), requested=work.precision
        )
    )
    context.stage(EVALUATING)
    answers = heldout_answers.recorded(held, served.logits, images.files)
    assessed = assess(served.card, served.files, [], held, answers.logits, images.test)
    files = served.files | {heldout_answers.FILE: heldout_answers.encode(answers)}
    card = msgspec.structs.replace(served.card, metrics=assessed.metrics)
    return BuiltVersion(card, files | assessed.files)


def _card(
    context: Context,
    work: Import,
    network: keras.Model,
    spec: Preprocessing,
    images: Labelled | None,
) -> Card:
    dataset, fingerprint, notes = UNKNOWN, "", NOTES
    if images is not None:
        held = images.held
        dataset, fingerprint = images.report.name, held.fingerprint()
        notes = (
            f"Imported; calibrated on {len(held.labels)} images of {dataset}. It is unknown "
            "whether it was trained on them."
        )
    return blank_card(
        work.name,
        IMPORTED,
        work.labels,
        spec,
        dataset,
        parameters=network.count_params(),
        dataset_fingerprint=fingerprint,
        notes=notes,
        request=context.request.mark,
        source=work.data,
        pixel_bounds=images.pixel_bounds if images else None,
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


def _labelled(context: Context, work: Import, spec: Preprocessing) -> Labelled | None:
    """The images of `--data`; None without the option. Raises SetupError: none is held out."""
    if not work.data:
        return None
    found = labelled(context, work.data, work.labels, spec)
    if not len(found.held.labels):
        raise SetupError(f"{found.report.name} has too few images to hold any out; add some")
    return found
