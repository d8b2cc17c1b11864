"""The reliability of confidences: the diagram's bins and the calibration error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.datasets.examples import Labels

#: As in Guo et al., arXiv:1706.04599.
CALIBRATION_BINS = 15

Probabilities = npt.NDArray[np.floating]  #: [n, classes]
Floats = npt.NDArray[np.float64]


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


def reliability(probabilities: Probabilities, labels: Labels, bins: int = CALIBRATION_BINS) -> Bins:
    """Bins the predictions by their confidence."""
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


def calibration_error(probabilities: Probabilities, labels: Labels) -> float:
    """Expected calibration error: |confidence - accuracy|, averaged over images."""
    return reliability(probabilities, labels).error
