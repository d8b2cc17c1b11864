"""Metrics of predictions: accuracy, loss, calibration and confusion, in bins for a diagram. NumPy
only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from shared.messages.replies import Evaluation
from worker.datasets.examples import Labels

#: As in Guo et al., arXiv:1706.04599.
CALIBRATION_BINS = 15

Probabilities = npt.NDArray[np.floating]  #: [n, classes]
Floats = npt.NDArray[np.float64]
#: A probability of 0 for the true label costs 16 nats, not infinity.
SMALLEST_PROBABILITY = 1e-7

Counts = npt.NDArray[np.int64]  #: [classes, classes], true x predicted


class Epoch(msgspec.Struct, frozen=True):
    """One line of the history of a training. Losses in nats; `heldout_...` with the weights after
    the epoch."""

    number: int  #: 1 is the first
    loss: float  #: on the augmented images
    accuracy: float
    heldout_loss: float
    heldout_accuracy: float
    seconds: float


class Bins(NamedTuple):
    """Predictions by confidence, in equally wide bins from 0 to 1, lower edge excluded."""

    counts: npt.NDArray[np.int64]  #: [bins], predictions
    confidence: Floats  #: [bins], their mean; 0 in empty bins
    accuracy: Floats  #: [bins], the share that is right; 0 in empty bins

    @property
    def error(self) -> float:
        """Expected calibration error: |confidence - accuracy|, averaged over images."""
        gaps = np.abs(self.confidence - self.accuracy)
        return float((self.counts * gaps).sum() / max(self.counts.sum(), 1))


def reliability(probabilities: Probabilities, labels: Labels) -> Bins:
    """Bins the predictions by their confidence."""
    bins = CALIBRATION_BINS
    confidence = probabilities.max(1).astype(np.float64)
    right = probabilities.argmax(1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    divisor = np.maximum(counts, 1)
    return Bins(
        counts,
        np.bincount(bin_of, confidence, bins) / divisor,
        np.bincount(bin_of, right, bins) / divisor,
    )


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
        ece=reliability(probabilities, labels).error,
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
