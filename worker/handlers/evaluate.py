"""The request to evaluate a version on labelled images, which may be new to it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from msgspec import structs

from shared.errors import SetupError, first_names
from shared.labels.class_folders import folder_of
from shared.messages.model_card import Card
from shared.messages.model_name import parse
from shared.messages.replies import Evaluated
from shared.messages.requests import Evaluate, Progress
from shared.messages.training import FASHION_MNIST, FASHION_MNIST_TITLE
from shared.throughput import left_s
from worker.backbones import served_version
from worker.datasets import load
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.examples import Labels
from worker.evaluation import heldout_answers
from worker.evaluation.metrics import Probabilities, confusion, reliability, score
from worker.handlers import measured_part, model_corrections
from worker.handlers.context import EVALUATING, LOADING, Context, Reply
from worker.runtimes import runtime

#: Images between two progress reports, about a second.
PIECE_IMAGES = 1024


def evaluate(context: Context, work: Evaluate) -> Reply:
    """An Evaluated, with `confusion.png` and `reliability.png` if plots are requested.

    Raises:
        SetupError: the version or the data are not available, or do not fit each other.
        RequestStopped: the request was cancelled or taken over.
    """
    card = context.registry.resolve(parse(work.model))
    version = served_version.fetch(card, partial(context.registry.read, card))
    where = work.data or source(card)
    loaded, corrected = _loaded(context, card, where, work.max_unreadable)
    known = heldout_answers.read_seen(context.registry, card)
    part = measured_part.measured(card, loaded.data, measured_part.given_parts(where), known)
    labels = np.concatenate([examples.labels for examples in part.examples])
    truth = mapped(labels, loaded.data.labels, card.labels)
    probabilities = _predict(
        context, version.load(), [examples.images for examples in part.examples]
    )
    plots = _drawn(context, card, probabilities, truth) if work.plots else {}
    report = structs.replace(loaded.report, notes=(*part.notes, *corrected, *loaded.report.notes))
    evaluation = score(probabilities, truth, card.labels)
    return Reply(Evaluated(card.ref, report, evaluation, part.split), plots)


def _loaded(
    context: Context, card: Card, where: str, max_unreadable: float
) -> tuple[load.Loaded, Sequence[str]]:
    """The images in the form that the version takes, with people's labels; and notes on these."""
    context.stage(LOADING)
    corrections, notes = model_corrections.to_measure(context, card, where)
    loaded = load.load(
        LabelledData(where, corrections),
        None,
        card.preprocessing,
        context.folder,
        max_unreadable=max_unreadable,
        on_progress=context.loading,
    )
    return loaded, notes


def _drawn(
    context: Context, card: Card, probabilities: Probabilities, truth: Labels
) -> dict[str, bytes]:
    from worker.plots.diagrams import confusion_matrix, reliability_diagram

    context.stage("drawing")
    counts = confusion(probabilities, truth, len(card.labels))
    return {
        "confusion.png": confusion_matrix(card.labels, counts),
        "reliability.png": reliability_diagram(reliability(probabilities, truth)),
    }


def source(card: Card) -> str:
    """The data that a version was made from.

    Raises:
        SetupError: they are unknown, or no longer available.
    """
    if card.source == FASHION_MNIST or (not card.source and card.dataset == FASHION_MNIST_TITLE):
        return FASHION_MNIST
    if not card.source:
        raise SetupError(
            f"the card of {card.ref} names no data; pass labelled images with --data DIR"
        )
    if not os.path.isdir(card.source):
        raise SetupError(
            f"{card.ref} was trained on {card.source}, which is not a folder here; "
            "pass labelled images with --data DIR"
        )
    return card.source


def mapped(labels: Labels, names: Sequence[str], known: Sequence[str]) -> Labels:
    """Convert labels int64 [n] of the data set's `names` to indices of the card's, by name.

    A folder is named like the label, or like the folder name made from that label.

    Raises:
        SetupError: the model does not know a label.
    """
    places = {folder_of(name): place for place, name in enumerate(known)}
    places |= {name: place for place, name in enumerate(known)}
    unknown = [name for name in names if name not in places]
    if unknown:
        raise SetupError(
            f"the model does not know {first_names([*map(repr, unknown)])}; "
            "pass images of its classes with --data DIR, in folders named like its labels (see "
            "`hangtag models show`)"
        )
    return np.array([places[name] for name in names], np.int64)[labels]


def _predict(
    context: Context, model: runtime.Runtime, parts: Sequence[runtime.Images]
) -> runtime.Probabilities:
    """Probabilities float32 [n, classes] of the images uint8 [_, H, W, C] of all parts, n > 0.

    The parts may be larger than memory if they are mapped from disk.

    Raises:
        RequestStopped: the request was cancelled or taken over.
    """
    start, done, total = time.monotonic(), 0, sum(map(len, parts))
    predictions = []
    for images in _pieces(parts):
        predictions.append(model.predict(images))
        done += len(images)
        rate = done / max(time.monotonic() - start, 1e-9)
        left = left_s(total, done, rate)
        context.report(Progress(EVALUATING, step=done, steps=total, rate=rate, left_s=left))
    return np.concatenate(predictions)


def _pieces(parts: Sequence[runtime.Images]) -> Iterator[runtime.Images]:
    for images in parts:
        for start in range(0, len(images), PIECE_IMAGES):
            yield np.ascontiguousarray(images[start : start + PIECE_IMAGES])
