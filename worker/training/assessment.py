"""What a version is worth: its figures, and the pictures that show them.

Everything is measured on the file that workers load, not on the network that it came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from shared.messages.model_card import Card, Metrics
from shared.messages.replies import Evaluation
from worker.datasets.examples import Examples
from worker.evaluation.metrics import score
from worker.plots import evaluation_plots
from worker.plots.curves import Line
from worker.runtimes import load_runtime, runtime

EVALUATION = "evaluation.json"


class Assessment(NamedTuple):
    """The figures for the card, and files by name."""

    metrics: Metrics
    files: dict[str, bytes]


def assess(
    card: Card,
    artifacts: Mapping[str, bytes],
    history: Sequence[Line],
    held: Examples,
    test: Examples | None,
) -> Assessment:
    """Measure on the held-out images, then, if there are any, once on the test images.

    The pictures are those of the test images; without them, of the held-out ones.
    """
    served = load_runtime.load("litert", card, artifacts[runtime.artifact_name("litert")])
    shown, answers = held, served.predict(held.images)
    found = {"heldout": score(answers, held.labels, card.labels)}
    if test is not None:
        shown, answers = test, served.predict(test.images)
        found["test"] = score(answers, test.labels, card.labels)
    drawn = evaluation_plots.plots(card.labels, history, shown.images, shown.labels, answers)
    written = msgspec.json.format(msgspec.json.encode(found), indent=0)
    return Assessment(_metrics(found["heldout"], found.get("test")), {EVALUATION: written} | drawn)


def _metrics(heldout: Evaluation, test: Evaluation | None) -> Metrics:
    return Metrics(
        heldout_accuracy=heldout.accuracy,
        heldout_count=heldout.count,
        heldout_loss=heldout.loss,
        heldout_ece=heldout.ece,
        test_accuracy=test.accuracy if test else None,
        test_count=test.count if test else None,
        test_loss=test.loss if test else None,
        test_ece=test.ece if test else None,
    )
