"""How good answers are: accuracy, loss and calibration. NumPy only."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from worker.examples import Examples, Labels
from worker.runtime import Runtime

#: As in Guo et al., arXiv:1706.04599.
CALIBRATION_BINS = 15
#: A probability of 0 for the true label costs 16 nats, not infinity.
SMALLEST_PROBABILITY = 1e-7

Probabilities = npt.NDArray[np.floating]  #: [n, classes]


class Evaluation(msgspec.Struct, frozen=True):
    """Figures over `count` images. Fractions between 0 and 1; loss in nats per image."""

    count: int
    accuracy: float
    loss: float
    ece: float


def evaluate(runtime: Runtime, examples: Examples) -> Evaluation:
    """The figures of a runtime on labelled images."""
    return score(runtime.predict(examples.images), examples.labels)


def score(probabilities: Probabilities, labels: Labels) -> Evaluation:
    """The figures of given answers."""
    right = probabilities.argmax(1) == labels
    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return Evaluation(
        count=len(labels),
        accuracy=float(right.mean()),
        loss=float(-np.log(np.maximum(of_truth, SMALLEST_PROBABILITY)).mean()),
        ece=calibration_error(probabilities, labels),
    )


def calibration_error(
    probabilities: Probabilities, labels: Labels, bins: int = CALIBRATION_BINS
) -> float:
    """Expected calibration error: |confidence - accuracy|, averaged over images.

    Images are put into equally wide bins by their confidence, lower edge excluded.
    """
    confidence = probabilities.max(1).astype(np.float64)
    gap = confidence - (probabilities.argmax(1) == labels)
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return float(np.abs(np.bincount(bin_of, gap, bins)).sum() / len(labels))
