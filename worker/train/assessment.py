"""Assesses a version: its metrics and their plots.

Everything is measured on the file that workers load, not on the network in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from shared.messages.model_card import Card, Metrics
from worker.datasets.examples import Examples, ImageRows, Labels
from worker.evaluation.diagrams import (
    accepted_accuracy,
    confusion_matrix,
    curves,
    reliability_diagram,
)
from worker.evaluation.image_sheets import mistakes, sheet
from worker.evaluation.metrics import Epoch, confusion, reliability, score
from worker.runtimes import load_runtime
from worker.runtimes.runtime import Logits, Probabilities, probabilities

CURVES = "curves.png"
EVALUATION, POINTS = "evaluation.json", "operating_points.png"


class Answered(NamedTuple):
    """Labelled images [n] and the predictions [n, classes] for them."""

    predictions: Probabilities
    labels: Labels
    images: ImageRows


def evaluation_plots(
    labels: Sequence[str], history: Sequence[Epoch], answered: Answered
) -> dict[str, bytes]:
    """Plots by name, of n > 0 images. Without a history (an imported version) there are no
    curves."""
    predictions, truth, images = answered
    drawn = {CURVES: curves(history)} if history else {}
    return drawn | {
        "confusion.png": confusion_matrix(labels, confusion(predictions, truth, len(labels))),
        "reliability.png": reliability_diagram(reliability(predictions, truth)),
        "samples.png": sheet(labels, images, truth, predictions),
        "mistakes.png": mistakes(labels, images, truth, predictions),
    }


class Assessment(NamedTuple):
    """The metrics for the card, and files by name."""

    metrics: Metrics
    files: dict[str, bytes]


def assess(
    card: Card,
    artifacts: Mapping[str, bytes],
    history: Sequence[Epoch],
    held: Examples,
    answers: Logits,
    test: Examples | None,
) -> Assessment:
    """Measure on the held-out images, then once on the test images, if there are any.

    `answers` are the logits [n, classes] of the held-out images, as served.
    """
    tested = None
    if test is not None:
        served = load_runtime.fetch(card, artifacts.__getitem__).load()
        tested = Answered(served.predict(test.images), test.labels, test.images)
    heldout = Answered(probabilities(answers, card.temperature), held.labels, held.images)
    return assess_answers(card, history, heldout, tested)


def assess_answers(
    card: Card, history: Sequence[Epoch], heldout: Answered, test: Answered | None
) -> Assessment:
    """The same from predictions. The plots use the test images, or else the held-out images."""
    held = score(heldout.predictions, heldout.labels, card.labels)
    scores = {"heldout": held}
    metrics = Metrics(held.accuracy, held.count, held.loss, held.ece)
    if test is not None:
        of_test = scores["test"] = score(test.predictions, test.labels, card.labels)
        metrics = msgspec.structs.replace(
            metrics, test_accuracy=of_test.accuracy, test_count=of_test.count,
            test_loss=of_test.loss, test_ece=of_test.ece,
        )  # fmt: skip
    plots = evaluation_plots(card.labels, history, heldout if test is None else test)
    plots[POINTS] = accepted_accuracy(heldout.predictions, heldout.labels, card.operating_points)
    text = msgspec.json.format(msgspec.json.encode(scores), indent=0)
    return Assessment(metrics, {EVALUATION: text} | plots)
