"""Metrics of predictions: accuracy, loss, calibration and confusion. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shared.messages.replies import Evaluation
from worker.datasets.examples import Examples, Labels
from worker.evaluation.reliability import Probabilities, calibration_error
from worker.runtimes.runtime import Runtime

#: A probability of 0 for the true label costs 16 nats, not infinity.
SMALLEST_PROBABILITY = 1e-7

Counts = npt.NDArray[np.int64]  #: [classes, classes], true x predicted


def evaluate(runtime: Runtime, examples: Examples, names: Sequence[str] = ()) -> Evaluation:
    """The metrics of a runtime on labelled images; `names` as in `score`."""
    return score(runtime.predict(examples.images), examples.labels, names)


def score(probabilities: Probabilities, labels: Labels, names: Sequence[str] = ()) -> Evaluation:
    """The metrics of given predictions; with the labels' names also the confusion matrix.

    Without images every metric is 0.
    """
    count = len(labels)
    right = probabilities.argmax(1) == labels
    of_truth = probabilities[np.arange(count), labels].astype(np.float64)
    losses = -np.log(np.maximum(of_truth, SMALLEST_PROBABILITY))
    counts = confusion(probabilities, labels, len(names)) if names else np.empty((0, 0), int)
    return Evaluation(
        count=count,
        accuracy=float(right.sum() / max(count, 1)),
        loss=float(losses.sum() / max(count, 1)),
        ece=calibration_error(probabilities, labels),
        labels=tuple(names),
        confusion=tuple(tuple(row) for row in counts.tolist()),
    )


def most_confident_mistakes(probabilities: Probabilities, labels: Labels) -> npt.NDArray[np.intp]:
    """The indices of the wrong predictions by falling confidence; ties in their own order."""
    wrong = np.flatnonzero(probabilities.argmax(1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")]


def confusion(probabilities: Probabilities, labels: Labels, classes: int) -> Counts:
    """How often each label (row) was predicted as each label (column): int64."""
    pairs = labels * classes + probabilities.argmax(1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
