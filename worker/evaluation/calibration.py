"""Calibrates with one temperature: predictions with confidence 0.9 are right nine times in ten.

Guo, Pleiss, Sun and Weinberger, arXiv:1706.04599. The predicted labels do not change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.datasets.examples import Labels
from worker.runtimes.runtime import Logits, margins, mean, softmax

#: In units of the deviation of an image's logits, which may be of any size: at HIGHEST all classes
#: are about equally likely.
LOWEST, HIGHEST = 1e-3, 50.0
#: Labels that count as unknown beside the given ones. With 1, heads of 20 to 60 photos a class had
#: confidences 1 to 3 points below their accuracy on other photos (groceries, blood cells), and a
#: larger loss than with 0.5. With 0.25, photos of other classes had 0.99 half as often again.
UNKNOWN = 0.5
#: Halves the range to below the resolution of a float32.
HALVINGS = 40
#: Shares of the images that are tried, smallest first.
SHARES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7)
#: A second pass over every image, where no smaller share is accurate enough.
ALWAYS = 1e30
#: Accuracy that may be given up beside a second pass over every image.
TOLERANCE = 0.0005
#: Part of the decrease of the loss that must remain. The accuracy alone would follow chance.
REMAINING = 2 / 3


def temperature(logits: npt.NDArray[np.floating], labels: Labels) -> float:
    """The T for which softmax(logits / T) has the smallest mean loss on these examples.

    logits [n, classes], labels int64 [n]. The loss is convex in 1/T, so its slope is bisected.
    Half a label of n + 1 counts as unknown, which is Jeffreys' prior (Platt, "Probabilistic outputs
    for support vector machines", 1999, took twice that): a dozen images that are all right do not
    prove certainty. Logits that distinguish no classes stay as they are, at 1.
    """
    values = logits.astype(np.float64)
    deviation = float(values.std(1).mean()) if len(values) else 0.0
    if not deviation > 0:  # also of what is not a number
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


#: The logits of one pass or two over the same images.
Passes = Sequence[Logits]


class SecondPass(NamedTuple):
    """The margin below which an image gets a second pass, and the logits that follow."""

    margin: float
    share: float  #: of these images
    logits: Logits  #: [n, classes]


def choose_second_pass(passes: Passes, labels: Labels) -> SecondPass:
    """The smallest share of second passes, of images whose best labels are close, that is about as
    good as a second pass for all: that halves the speed, and most of its gain comes from a few."""
    never, always = second_pass(passes, 0.0), second_pass(passes, ALWAYS)
    if not len(labels):
        return never
    cooling = temperature(always.logits, labels)
    losses = [log_loss(judged.logits / cooling, labels) for judged in (never, always)]
    loss_allowed = losses[0] - REMAINING * (losses[0] - losses[1])
    right_wanted = _right(always.logits, labels) - TOLERANCE * len(labels)
    gaps = np.sort(margins(passes[0]))
    for share in SHARES:
        tried = second_pass(passes, _margin_of(gaps, share))
        right, loss = _right(tried.logits, labels), log_loss(tried.logits / cooling, labels)
        if right >= right_wanted and loss <= loss_allowed:
            return tried
    return always


def second_pass(passes: Passes, margin: float) -> SecondPass:
    """The logits with a second pass for the images whose margin is below `margin`."""
    logits = passes[0].copy()
    again = margins(passes[0]) < margin
    for second in passes[1:]:
        logits[again] = mean(passes[0][again], second[again])
    return SecondPass(margin, float(again.mean()) if len(again) else 0.0, logits)


def _margin_of(gaps: npt.NDArray[np.float32], share: float) -> float:
    """The margin below which this share of the sorted gaps lies; 0 for a share of 0."""
    return float(gaps[int(share * len(gaps))]) if share else 0.0


def _right(logits: Logits, labels: Labels) -> int:
    return int((logits.argmax(1) == labels).sum())
