"""The request to evaluate a version on labelled images, which may be new to it."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import structs

from shared import runtimes
from shared.errors import SetupError
from shared.labels.class_folders import folder_of
from shared.messages.model_card import Card
from shared.messages.model_name import parse
from shared.messages.replies import Evaluated
from shared.messages.requests import Evaluate, Progress
from shared.messages.training import FASHION_MNIST
from worker.datasets import load
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.examples import Examples, Labels
from worker.datasets.folder_layout import ClassFolderWalk
from worker.datasets.load import DataSet
from worker.datasets.split import HELDOUT, TEST
from worker.evaluation import seen_images
from worker.evaluation.metrics import confusion, score
from worker.evaluation.reliability import Probabilities, reliability
from worker.evaluation.seen_images import SeenImages
from worker.handlers import model_corrections
from worker.handlers.context import EVALUATING, LOADING, Context, Reply
from worker.runtimes import load_runtime, runtime

#: Images between two progress reports, about a second.
PIECE_IMAGES = 1024
#: The runtime that CPU workers use.
#: Maximum number of label names in an error message.
MAX_NAMES = 5
#: Notes on how far the figures can be trusted, for a folder without test/.
_HELDOUT_NOTE = (
    "there is no test part, so the held-out images are measured; a version that was trained with "
    "this folder was chosen and calibrated with them"
)
_SET_ASIDE_NOTE = (
    "the images that training sets aside for the test are measured; to measure all, put the "
    "class folders into test/"
)
_ALL_NOTE = (
    "all images are measured; the version may have learned from them, which would make its "
    "figures too good"
)
_ALL_NEW_NOTE = "all images are measured; the version has seen none of them"


def evaluate(context: Context, work: Evaluate) -> Reply:
    """An Evaluated, with `confusion.png` and `reliability.png` if plots are requested.

    Raises:
        SetupError: the version or the data are not available, or do not fit each other.
        RequestStopped: the request was cancelled or taken over.
    """
    card = context.registry.resolve(parse(work.model))
    served = context.registry.read(card, runtimes.DEFAULT.artifact)
    where = work.data or source(card)
    context.stage(LOADING)
    corrections, corrected = model_corrections.to_measure(context, card, where)
    loaded = load.load(
        LabelledData(where, corrections),
        None,
        card.preprocessing,
        context.folder,
        max_unreadable=work.max_unreadable,
        on_progress=lambda done, total: context.report(Progress(LOADING, step=done, steps=total)),
    )
    split, parts, notes = measured(
        card, loaded.data, given_parts(where), seen_images.read(context.registry, card)
    )
    labels = np.concatenate([part.labels for part in parts])
    truth = mapped(labels, loaded.data.labels, card.labels)
    model = load_runtime.load(runtimes.DEFAULT.name, card, served)
    probabilities = _predict(context, model, [part.images for part in parts])
    files = {}
    if work.plots:
        context.stage("drawing")
        files = _drawn(card, probabilities, truth)
    evaluation = score(probabilities, truth, card.labels)
    report = structs.replace(loaded.report, notes=(*notes, *corrected, *loaded.report.notes))
    return Reply(Evaluated(card.ref, report, evaluation, split), files)


def _drawn(card: Card, probabilities: Probabilities, truth: Labels) -> dict[str, bytes]:
    from worker.plots.confusion import confusion_matrix
    from worker.plots.reliability_diagram import reliability_diagram

    counts = confusion(probabilities, truth, len(card.labels))
    return {
        "confusion.png": confusion_matrix(card.labels, counts),
        "reliability.png": reliability_diagram(reliability(probabilities, truth)),
    }


class MeasuredPart(NamedTuple):
    split: str  #: as in Evaluated
    parts: list[Examples]
    notes: tuple[str, ...]  #: on how far the figures can be trusted


def source(card: Card) -> str:
    """The data that a version was made from.

    Raises:
        SetupError: they are unknown, or no longer available.
    """
    if card.source == FASHION_MNIST or (not card.source and card.dataset == load.FASHION_NAME):
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


def measured(
    card: Card, data: DataSet, given: Collection[int], known: SeenImages | None = None
) -> MeasuredPart:
    """The test images, else the held-out ones; all if the folder has neither part of its own.

    `given` are the parts that the folder has. If it has neither, loading still sets some images
    aside. Only those are measured if the version has learned from the others, and all images if it
    has not. That is decided by the images that the version has seen (`known`), or by the folder's
    name if they are unknown.

    Raises:
        SetupError: there are no images at all.
    """
    test, held = _some(data.test), _some(data.heldout)
    if test and TEST in given:
        return MeasuredPart("test", test, _seen_note(known, test))
    if held and HELDOUT in given:
        return MeasuredPart("heldout", held, _seen_note(known, held) if known else (_HELDOUT_NOTE,))
    parts = [*_some(data.examples), *held, *test]
    if not parts:
        raise SetupError(f"{data.name} has no images to evaluate; name another folder")
    if known and not any(seen_images.count(known, parts)):
        return MeasuredPart("all", parts, (_ALL_NEW_NOTE,))
    if test and (card.dataset == data.name or _is_origin(known, data.examples, test)):
        return MeasuredPart("test", test, _seen_note(known, test) or (_SET_ASIDE_NOTE,))
    return MeasuredPart("all", parts, _seen_note(known, parts) if known else (_ALL_NOTE,))


def _is_origin(known: SeenImages | None, examples: Examples, test: list[Examples]) -> bool:
    """Whether the version learned from most of `examples` and has seen no image of `test`."""
    if known is None or any(seen_images.count(known, test)):
        return False
    return 2 * seen_images.count(known, [examples])[0] > len(examples.labels)


def _seen_note(known: SeenImages | None, parts: list[Examples]) -> tuple[str, ...]:
    """A note with the number of measured images that the version has seen, if any."""
    learned, held = seen_images.count(known, parts) if known else (0, 0)
    if not learned and not held:
        return ()
    total = sum(len(part.labels) for part in parts)
    return (
        f"of the {total:,} images that are measured the version learned from {learned:,} and was "
        f"chosen and calibrated with {held:,}; its figures are too good",
    )


def _some(part: Examples | None) -> list[Examples]:
    return [part] if part is not None and len(part.labels) else []


def given_parts(where: str) -> set[int]:
    """The parts that the data define themselves, as in worker/datasets/split.py."""
    if where == FASHION_MNIST:
        return {TEST}
    return {branch.part for branch in ClassFolderWalk(Path(where)).branches}


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
        more = f" and {len(unknown) - MAX_NAMES} more" if len(unknown) > MAX_NAMES else ""
        raise SetupError(
            f"the model does not know {', '.join(map(repr, unknown[:MAX_NAMES]))}{more}; "
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
        context.report(
            Progress(EVALUATING, step=done, steps=total, rate=rate, left_s=(total - done) / rate)
        )
    return np.concatenate(predictions)


def _pieces(parts: Sequence[runtime.Images]) -> Iterator[runtime.Images]:
    for images in parts:
        for start in range(0, len(images), PIECE_IMAGES):
            yield np.ascontiguousarray(images[start : start + PIECE_IMAGES])
