"""The request to evaluate: a version on labelled images that it may never have seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.answer import Evaluated
from shared.card import Card
from shared.errors import SetupError
from shared.model_name import parse
from shared.request import FASHION_MNIST, Evaluate, Progress
from worker import data, runtime
from worker.answer_images import answer
from worker.calibration import reliability
from worker.class_walk import Walk
from worker.context import Answered, Context
from worker.data import DataSet
from worker.draw_confusion import confusion_matrix
from worker.draw_reliability import reliability_diagram
from worker.evaluate import confusion, score
from worker.examples import Examples, Labels
from worker.samples import folder_of
from worker.split import TEST

LOADING = "loading"
#: What is measured is what CPU workers serve.
RUNTIME = "litert"
#: Names of labels in an error.
NAMES_SHOWN = 5


def evaluate(context: Context, work: Evaluate) -> Answered:
    """An Evaluated, with `confusion.png` and `reliability.png`.

    Raises:
        SetupError: the version or the data are not to be had, or do not suit each other.
        Stopped: the request was cancelled, or is somebody else's now.
    """
    card = context.registry.resolve(parse(work.model))
    served = context.registry.read(card, runtime.artifact_name(RUNTIME))
    context.stage(LOADING)
    loaded = data.load(
        work.data,
        None,
        card.preprocessing,
        context.folder,
        max_unreadable=work.max_unreadable,
        on_progress=lambda done, total: context.report(Progress(LOADING, step=done, steps=total)),
    )
    split, parts = measured(card, loaded.data, _has_test(work.data))
    labels = np.concatenate([one.labels for one in parts])
    truth = mapped(labels, loaded.data.labels, card.labels)
    model = runtime.load(RUNTIME, card, served)
    probabilities = answer(context, model, [one.images for one in parts])
    context.stage("drawing")
    counts = confusion(probabilities, truth, len(card.labels))
    files = {
        "confusion.png": confusion_matrix(card.labels, counts),
        "reliability.png": reliability_diagram(reliability(probabilities, truth)),
    }
    evaluation = score(probabilities, truth, card.labels)
    return Answered(Evaluated(card.ref, loaded.report, evaluation, split), files)


def measured(card: Card, found: DataSet, has_test: bool) -> tuple[str, list[Examples]]:
    """What is measured: the test images, or all where there are none.

    In a folder without a test/ of its own some images are set apart for the test all the same.
    They are what counts where the version has learned from the others, and no more than a part
    of all where it has not.

    Raises:
        SetupError: there are no images at all.
    """
    apart = has_test or card.dataset == found.name
    if apart and found.test is not None and len(found.test.labels):
        return "test", [found.test]
    parts = [one for one in (found.examples, found.heldout, found.test) if one is not None]
    if not sum(len(one.labels) for one in parts):
        raise SetupError(f"{found.name} has no images to evaluate; name another folder")
    return "all", parts


def _has_test(where: str) -> bool:
    if where == FASHION_MNIST:
        return True
    return any(branch.part == TEST for branch in Walk(Path(where)).branches)


def mapped(labels: Labels, names: Sequence[str], known: Sequence[str]) -> Labels:
    """Labels int64 [n] of the data set's `names` as those of the card, by their names.

    A folder may be called as the label, or as that label can be called.

    Raises:
        SetupError: the model does not know a label.
    """
    places = {folder_of(name): place for place, name in enumerate(known)}
    places |= {name: place for place, name in enumerate(known)}
    unknown = [name for name in names if name not in places]
    if unknown:
        more = f" and {len(unknown) - NAMES_SHOWN} more" if len(unknown) > NAMES_SHOWN else ""
        raise SetupError(
            f"the model does not know {', '.join(map(repr, unknown[:NAMES_SHOWN]))}{more}; "
            "call the folders as its labels are called, see `hangtag models show`"
        )
    return np.array([places[name] for name in names], np.int64)[labels]
