"""Calibrates with one temperature: predictions with confidence 0.9 are right nine times in ten.

Guo, Pleiss, Sun and Weinberger, arXiv:1706.04599. The predicted labels do not change.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from worker.datasets.examples import Labels
from worker.runtimes.classifier import softmax

#: In units of the deviation of an image's logits, which may be of any size: at HIGHEST all classes
#: are about equally likely.
LOWEST, HIGHEST = 1e-3, 50.0
#: Labels that count as unknown beside the given ones. With 1, heads of 20 to 60 photos a class had
#: confidences 1 to 3 points below their accuracy on other photos (groceries, blood cells), and a
#: larger loss than with 0.5. With 0.25, photos of other classes had 0.99 half as often again.
UNKNOWN = 0.5
#: Halves the range to below the resolution of a float32.
HALVINGS = 40


def temperature(logits: npt.NDArray[np.floating], labels: Labels) -> float:
    """The T for which softmax(logits / T) has the smallest mean loss on these examples.

    logits [n, classes], labels int64 [n]. The loss is convex in 1/T, so its slope is bisected.
    Half a label of n + 1 counts as unknown, which is Jeffreys' prior (Platt, "Probabilistic outputs
    for support vector machines", 1999, took twice that): a dozen images that are all right do not
    prove certainty. Logits that distinguish no classes stay as they are, at 1.
    """
    values = logits.astype(np.float64)
    deviation = float(values.std(1).mean()) if len(values) else 0.0
    if not (deviation > 0 and math.isfinite(deviation)):
        return 1.0
    values /= deviation
    low, high = 1 / HIGHEST, 1 / LOWEST
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        if _slope(values, labels, middle) > 0:
            high = middle
        else:
            low = middle
    return deviation / math.sqrt(low * high)


def _slope(logits: npt.NDArray[np.float64], labels: Labels, inverse: float) -> float:
    """The derivative of the mean loss of softmax(logits * inverse) by `inverse`."""
    expected = (softmax(logits * inverse) * logits).sum(1)
    given = logits[np.arange(len(labels)), labels]
    any_label = UNKNOWN / (len(labels) + 2 * UNKNOWN)
    wanted = (1 - any_label) * given + any_label * logits.mean(1)
    return float((expected - wanted).mean())


def log_loss(logits: npt.NDArray[np.floating], labels: Labels) -> float:
    """The mean negative log-likelihood of the labels, nats: logits [n, classes], n > 0."""
    return float(log_losses(logits, labels).mean())


def log_losses(logits: npt.NDArray[np.floating], labels: Labels) -> npt.NDArray[np.float64]:
    """The negative log-likelihood of each label, nats, float64 [n]."""
    chosen = softmax(logits)[np.arange(len(labels)), labels]
    losses: npt.NDArray[np.float64] = -np.log(np.maximum(chosen, np.finfo(np.float64).tiny))
    return losses
