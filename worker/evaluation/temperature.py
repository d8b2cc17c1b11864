"""One temperature, so that a confidence of 0.9 is right nine times in ten.

Guo, Pleiss, Sun and Weinberger, arXiv:1706.04599. The labels stay as they are.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from worker.datasets.examples import Labels

#: Temperatures outside this range do not occur, short of a broken network.
LOWEST, HIGHEST = 0.02, 50.0
#: Halves the range to less than a float32 can tell apart.
HALVINGS = 40


def temperature(logits: npt.NDArray[np.floating], labels: Labels) -> float:
    """The T for which softmax(logits / T) has the smallest mean loss on these examples.

    logits [n, classes], labels int64 [n]. The loss is convex in 1/T, so its slope is bisected.
    Of n + 2 answers one is taken to be any label, as Platt does ("Probabilistic outputs for
    support vector machines", 1999): that a dozen images are all right is no proof of certainty.
    """
    values = logits.astype(np.float64)
    low, high = 1 / HIGHEST, 1 / LOWEST
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        if _slope(values, labels, middle) > 0:
            high = middle
        else:
            low = middle
    return 1 / math.sqrt(low * high)


def _slope(logits: npt.NDArray[np.float64], labels: Labels, inverse: float) -> float:
    """Of the mean loss of softmax(logits * inverse), by `inverse`."""
    expected = (softmax(logits * inverse) * logits).sum(1)
    given = logits[np.arange(len(labels)), labels]
    any_label = 1 / (len(labels) + 2)
    wanted = (1 - any_label) * given + any_label * logits.mean(1)
    return float((expected - wanted).mean())


def softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Probabilities float64 [n, classes] of logits [n, classes]."""
    powers = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    probabilities: npt.NDArray[np.float64] = powers / powers.sum(1, keepdims=True)
    return probabilities
