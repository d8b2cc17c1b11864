"""The request to evaluate a version on labelled images, which may be new to it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import structs

from shared.errors import SetupError, first_names
from shared.labels.class_folders import folder_of
from shared.messages.model_card import Card, PixelBounds, Preprocessing
from shared.messages.model_name import parse
from shared.messages.replies import DataReport, Evaluated
from shared.messages.requests import Evaluate, Progress
from shared.messages.training import FASHION_MNIST, FASHION_MNIST_TITLE
from shared.throughput import left_s
from worker.datasets import load
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.examples import HELDOUT, TEST, Digests, Examples, Images, Labels
from worker.datasets.folder_layout import ClassFolderWalk
from worker.datasets.load import DataSet
from worker.evaluation import heldout_answers
from worker.evaluation.heldout_answers import SeenImages
from worker.evaluation.metrics import Probabilities, confusion, reliability, score
from worker.requests import model_corrections
from worker.requests.context import EVALUATING, LOADING, Context, Reply
from worker.runtimes import load_runtime

#: Images between two progress reports, about a second.
PIECE_IMAGES = 1024
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
    version = load_runtime.fetch(card, partial(context.registry.read, card))
    where = work.data or source(card)
    loaded, corrected = _loaded(context, card, where, work.max_unreadable)
    known = heldout_answers.read_seen(context.registry, card)
    part = measured(card, loaded.data, given_parts(where), known)
    labels = np.concatenate([examples.labels for examples in part.examples])
    truth = mapped(labels, loaded.data.labels, card.labels)
    images = [examples.images for examples in part.examples]
    probabilities = in_pieces(context, version.load().predict, images)
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
    from worker.evaluation.diagrams import confusion_matrix, reliability_diagram

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


class Labelled(NamedTuple):
    """Labelled images for an imported network, by its labels."""

    held: Examples
    files: Digests | None  #: of `held`
    test: Examples | None
    learn: Images  #: the other images, or those of `held`
    report: DataReport
    pixel_bounds: PixelBounds | None


def labelled(context: Context, place: str, labels: Sequence[str], spec: Preprocessing) -> Labelled:
    """The images of a data set, preprocessed for a network with these labels. They are split as for
    a training of Hangtag, and none is left out to learn from.

    Raises:
        SetupError: they are not available, or the network does not know a label.
    """
    context.stage(LOADING)
    data, report = load.load(
        LabelledData(place), None, spec, context.folder,
        unlearned=True, on_progress=context.loading,
    )  # fmt: skip

    def named(examples: Examples) -> Examples:
        return Examples(examples.images, mapped(examples.labels, data.labels, labels))

    test = data.test if data.test is not None and len(data.test.labels) else None
    return Labelled(
        named(data.heldout),
        data.heldout_files,
        None if test is None else named(test),
        data.examples.images if len(data.examples.labels) else data.heldout.images,
        report,
        data.pixel_bounds,
    )


def in_pieces(
    context: Context, run: Callable[[Images], npt.NDArray[np.float32]], parts: Sequence[Images]
) -> npt.NDArray[np.float32]:
    """What `run` returns, float32 [n, classes], for the images uint8 [_, H, W, C] of all parts,
    n > 0, with progress. The parts may be larger than memory if they are mapped from disk.

    Raises:
        RequestStopped: the request was cancelled or taken over.
    """
    start, done, total = time.monotonic(), 0, sum(map(len, parts))
    results = []
    for images in _pieces(parts):
        results.append(run(images))
        done += len(images)
        rate = done / max(time.monotonic() - start, 1e-9)
        left = left_s(total, done, rate)
        context.report(Progress(EVALUATING, step=done, steps=total, rate=rate, left_s=left))
    return np.concatenate(results)


def _pieces(parts: Sequence[Images]) -> Iterator[Images]:
    for images in parts:
        for start in range(0, len(images), PIECE_IMAGES):
            yield np.ascontiguousarray(images[start : start + PIECE_IMAGES])


class MeasuredPart(NamedTuple):
    """The images that are measured."""

    split: str  #: as in Evaluated
    examples: list[Examples]
    notes: tuple[str, ...]  #: on how far the figures can be trusted


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
    test, held = _nonempty_parts(data.test), _nonempty_parts(data.heldout)
    if test and TEST in given:
        return MeasuredPart("test", test, _seen_note(known, test))
    if held and HELDOUT in given:
        return MeasuredPart("heldout", held, _seen_note(known, held) if known else (_HELDOUT_NOTE,))
    parts = [*_nonempty_parts(data.examples), *held, *test]
    if not parts:
        raise SetupError(f"{data.name} has no images to evaluate; name another folder")
    if known and not any(heldout_answers.count_seen(known, parts)):
        return MeasuredPart("all", parts, (_ALL_NEW_NOTE,))
    if test and (card.dataset == data.name or _is_origin(known, data.examples, test)):
        return MeasuredPart("test", test, _seen_note(known, test) or (_SET_ASIDE_NOTE,))
    return MeasuredPart("all", parts, _seen_note(known, parts) if known else (_ALL_NOTE,))


def _is_origin(known: SeenImages | None, examples: Examples, test: list[Examples]) -> bool:
    """Whether the version learned from most of `examples` and has seen no image of `test`."""
    if known is None or any(heldout_answers.count_seen(known, test)):
        return False
    return 2 * heldout_answers.count_seen(known, [examples])[0] > len(examples.labels)


def _seen_note(known: SeenImages | None, parts: list[Examples]) -> tuple[str, ...]:
    """A note with the number of measured images that the version has seen, if any."""
    learned, held = heldout_answers.count_seen(known, parts) if known else (0, 0)
    if not learned and not held:
        return ()
    total = sum(len(part.labels) for part in parts)
    return (
        f"of the {total:,} images that are measured the version learned from {learned:,} and was "
        f"chosen and calibrated with {held:,}; its figures are too good",
    )


def _nonempty_parts(part: Examples | None) -> list[Examples]:
    return [part] if part is not None and len(part.labels) else []


def given_parts(where: str) -> set[int]:
    """The parts that the data define themselves, as in worker/datasets/examples.py."""
    if where == FASHION_MNIST:
        return {TEST}
    return {branch.part for branch in ClassFolderWalk(Path(where)).branches}
