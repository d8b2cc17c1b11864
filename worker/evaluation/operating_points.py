"""Operating points: the confidence from which predictions are as often right as required.

For images without a known label: `points_by_chance`.

A threshold is the lowest confidence of the held-out images at which the lower Wilson bound of the
precision above it (one-sided, 90 %) reaches the required precision (Wilson, JASA 22, 1927).
What a higher precision accepts, a lower one accepts, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.messages.model_card import OperatingPoint
from worker.datasets.examples import Labels
from worker.evaluation.metrics import Probabilities

PRECISIONS = (0.90, 0.95, 0.98, 0.99)
#: The quantile of the normal distribution for 90 %, one-sided.
Z = 1.2816

Floats = npt.NDArray[np.float64]
#: By label; None: no prediction of this label is accepted.
Thresholds = tuple[float | None, ...]
#: Chances that predictions are right are estimates: more is required of their mean than the
#: precision, by this share of what may be wrong. 97 % for 95 %.
STRICTER = 0.4
#: Chances below which a prediction lowers the mean of what is accepted, in steps.
CUTS = np.linspace(0, 1, 101)


class Predicted(NamedTuple):
    """Predictions [n] without a truth, and how likely each is right."""

    confidence: Floats
    labels: Labels
    chances: Floats


def operating_points(probabilities: Probabilities, labels: Labels) -> tuple[OperatingPoint, ...]:
    """The points of held-out images: probabilities [n, classes], true labels int64 [n]."""
    points: list[OperatingPoint] = []
    higher: Thresholds = (None,) * probabilities.shape[1]
    for precision in reversed(PRECISIONS):
        points.append(_point(precision, probabilities, labels, higher))
        higher = points[-1].thresholds
    return tuple(reversed(points))


def points_by_chance(images: Predicted, classes: int) -> tuple[OperatingPoint, ...]:
    """The points of images without a known label: the mean chance of the accepted ones is that of
    the precision, and a little more."""
    places = [np.flatnonzero(images.labels == label) for label in range(classes)]
    order = [place[np.argsort(-images.confidence[place], kind="stable")] for place in places]
    every = np.argsort(-images.confidence, kind="stable")
    points = []
    for precision in PRECISIONS:
        least = precision + STRICTER * (1 - precision)
        (pooled,), limits = _limits(images, [every], least), _limits(images, order, least)
        taken = accepted(images.confidence, images.labels, limits)
        points.append(_measured(precision, pooled, limits, taken, images.chances))
    return tuple(points)


def _limits(images: Predicted, order: Sequence[npt.NDArray[np.int64]], least: float) -> Thresholds:
    """The thresholds of groups of places that accept most and have this mean chance."""
    reached = filter(None, (_accepted(images, order, least, cut) for cut in CUTS))
    return next(reached, (None,) * len(order))


def _accepted(
    images: Predicted, order: Sequence[npt.NDArray[np.int64]], least: float, cut: float
) -> Thresholds | None:
    """The lowest confidence of each group of places, the most confident first, above which each
    further stretch has a mean chance of `cut` at least; None if all together have less than
    `least`, or there are none."""
    taken = [_longest(images.chances[places] - cut, images.confidence[places]) for places in order]
    places = np.concatenate([group[:count] for group, count in zip(order, taken, strict=True)])
    if not len(places) or images.chances[places].mean() < least:
        return None
    return tuple(
        float(images.confidence[group[count - 1]]) if count else None
        for group, count in zip(order, taken, strict=True)
    )


def _longest(gains: Floats, falling: Floats) -> int:
    """The length of the start of `gains` with the largest sum, 0 if none is positive. Equal
    confidences are accepted together."""
    ends = np.append(0, 1 + np.flatnonzero(_last_of_equals(falling)))
    sums = np.append(0.0, np.cumsum(gains))[ends]
    return int(ends[sums.argmax()])


def _last_of_equals(falling: Floats) -> npt.NDArray[np.bool_]:
    """Bool [n]: whether the next confidence is another, or there is none."""
    return np.append(falling[1:] != falling[:-1], len(falling) > 0)[: len(falling)]


def wilson_bound(right: npt.ArrayLike, count: npt.ArrayLike) -> Floats:
    """The lower bound of a share that was `right` of `count` times, count >= 1."""
    n = np.asarray(count, np.float64)
    p = np.asarray(right, np.float64) / n
    spread = Z * np.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    bound: Floats = (p + Z * Z / (2 * n) - spread) / (1 + Z * Z / n)
    return bound


def fewest(precision: float) -> int:
    """The fewest predictions, all of them right, whose bound reaches this precision."""
    return math.ceil(Z * Z * precision / (1 - precision))


def threshold(confidence: Floats, right: npt.NDArray[np.bool_], precision: float) -> float | None:
    """The lowest confidence at which the bound reaches the precision; None if there is none."""
    order = np.argsort(-confidence, kind="stable")
    falling = confidence[order]
    bound = wilson_bound(np.cumsum(right[order]), np.arange(1, len(order) + 1))
    # Equal confidences are accepted together.
    reached = np.flatnonzero((bound >= precision) & _last_of_equals(falling))
    return float(falling[reached[-1]]) if len(reached) else None


def accepted(
    confidence: Floats, predicted: Labels, thresholds: Thresholds
) -> npt.NDArray[np.bool_]:
    """Bool [n]: whether the threshold of its label accepts each prediction."""
    limits = np.array([math.inf if limit is None else limit for limit in thresholds])
    reached: npt.NDArray[np.bool_] = confidence >= limits[predicted]
    return reached


def _point(
    precision: float, probabilities: Probabilities, labels: Labels, higher: Thresholds
) -> OperatingPoint:
    """The point of a precision; `higher` are the thresholds of the next higher one."""
    confidence = probabilities.max(1, initial=0.0).astype(np.float64)
    predicted = probabilities.argmax(1).astype(np.int64)
    right = predicted == labels
    pooled = threshold(confidence, right, precision)
    thresholds: list[float | None] = []
    for label in range(probabilities.shape[1]):
        of_label = predicted == label
        has_few = np.count_nonzero(of_label) < fewest(precision)
        own = threshold(confidence[of_label], right[of_label], precision)
        thresholds.append(_lowered(pooled if has_few else own, higher[label]))
    taken = accepted(confidence, predicted, tuple(thresholds))
    return _measured(precision, pooled, tuple(thresholds), taken, right)


def _measured(
    precision: float,
    pooled: float | None,
    thresholds: Thresholds,
    taken: npt.NDArray[np.bool_],
    right: npt.NDArray[np.generic],
) -> OperatingPoint:
    """A point that has `taken` some images [n], each `right`, or with this chance."""
    return OperatingPoint(
        precision=precision,
        threshold=pooled,
        accepted=float(taken.sum() / max(len(taken), 1)),
        reached=float(right[taken].sum() / max(taken.sum(), 1)),
        thresholds=thresholds,
    )


def _lowered(threshold: float | None, higher: float | None) -> float | None:
    """A threshold that accepts whatever `higher` accepts. It matters for labels with answers enough
    for the lower precision alone: for the higher one they take the pooled threshold."""
    if threshold is None or higher is None:
        return higher if threshold is None else threshold
    return min(threshold, higher)
