"""Fits the detector of images unlike the training images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.classify.outliers import (
    SHARPNESS,
    Doubles,
    Neighbours,
    OutlierDetector,
    PartDistances,
    rounded,
    smooth_maximum,
)
from worker.heads.linear_head import Features, standardization
from worker.heads.near_duplicates import Folds

#: Share of images like the training images that are flagged.
FALSE_FLAGS = 0.02
#: Directions of a part; a third of the images at most, or their variances would be chance.
DIRECTIONS, IMAGES_PER_DIRECTION = 32, 3
#: Directions for the angles, and training images that are kept: 0.6 MB. With as many directions as
#: images each image nearly has its own: of 130 photos 27 % were flagged, although they had been
#: learned from (3 % now), and 1 % of others.
AXES, IMAGES_PER_AXIS, KNOWN_IMAGES = 128, 6, 1000
#: Scores of training images whose medians and tails become 0 and 1.
USUAL, RARE = 0.5, 0.99
#: The least difference between them.
SMALLEST_SPAN = 1e-6
#: Rounds of the power method, from random directions: the largest variances matter most.
ROUNDS = 3
#: Standard deviations below these are constants, scaled up by rounding.
SMALLEST_DEVIATION, SMALLEST_SPREAD = 1e-4, 0.05
#: The least variance of the rest, in units of a feature's.
SMALLEST_REST = 0.01


class FittedDetector(NamedTuple):
    """A detector of all images, and the scores of each by one that was fitted without its fold."""

    detector: OutlierDetector
    scores: Doubles

    @property
    def outliers(self) -> npt.NDArray[np.bool_]:
        """Bool [n]: the images least like the others, a share of FALSE_FLAGS and at least one."""
        outliers: npt.NDArray[np.bool_] = self.scores >= self.detector.threshold
        return outliers


def fit_outlier_detector(features: Features, widths: Sequence[int], folds: Folds) -> FittedDetector:
    """The detector of images [n, features]; `widths` are the features of each part in order.

    Its threshold is fitted to images of a fold that was left out.
    """
    logs, angles = np.empty((len(features), len(widths))), np.empty(len(features))
    for fold in np.unique(folds):
        out = folds == fold
        logs[out] = distances(features[~out], widths).logs(features[out])
        angles[out] = neighbours(features[~out], widths[-1]).angles(features[out])
    known = distances(features, widths), neighbours(features, widths[-1])
    return _calibrated(*known, logs, angles)


def _calibrated(
    far: PartDistances, near: Neighbours, logs: Doubles, angles: Doubles
) -> FittedDetector:
    """The detector whose scores are usual for images with these logarithms and angles."""
    centres, spreads = logs.mean(0), np.maximum(logs.std(0), SMALLEST_SPREAD)
    both = np.stack([smooth_maximum((logs - centres) / spreads), angles], 1)
    usual, rare = np.quantile(both, (USUAL, RARE), axis=0)
    spans = np.maximum(rare - usual, SMALLEST_SPAN)
    scores = smooth_maximum(SHARPNESS * (both - usual) / spans)
    threshold = float(np.quantile(scores, 1 - FALSE_FLAGS, method="higher"))
    detector = OutlierDetector(far, near, centres, spreads, usual, spans, threshold)
    return FittedDetector(detector, scores)


def neighbours(features: Features, width: int) -> Neighbours:
    """The directions of the images [n, features], by the last `width` features."""
    mine = features[:, -width:]
    middle, factors = standardization(mine)
    rows = (mine - middle) * factors
    axes = rounded(
        _main_directions(rows, max(1, min(AXES, (len(rows) - 1) // IMAGES_PER_AXIS, width)))
    )
    along = rows[:: math.ceil(len(rows) / KNOWN_IMAGES)] @ axes
    lengths = np.linalg.norm(along, axis=1, keepdims=True)
    known = along / np.maximum(lengths, np.finfo(np.float32).tiny)
    return Neighbours(middle, factors, axes, rounded(known))


def distances(features: Features, widths: Sequence[int]) -> PartDistances:
    """The distances from the images [n, features]."""
    mean = features.mean(0, dtype=np.float64).astype(np.float32)
    deviation = features.std(0, dtype=np.float64)
    scale = np.where(deviation > SMALLEST_DEVIATION, 1 / np.maximum(deviation, 1e-12), 0)
    scale = scale.astype(np.float32)
    rows = (features - mean) * scale
    basis = np.zeros((features.shape[1], DIRECTIONS), np.float32)
    gains = np.zeros((len(widths), DIRECTIONS), np.float32)
    rest = np.empty(len(widths), np.float32)
    start = 0
    for part, width in enumerate(widths):
        mine = np.ascontiguousarray(rows[:, start : start + width])
        count = max(1, min(DIRECTIONS, len(rows) // IMAGES_PER_DIRECTION, width // 2))
        main = _main_directions(mine, count)
        variances = np.maximum((mine @ main).var(0), SMALLEST_REST)
        left = float(mine.var(0).sum() - variances.sum()) / max(width - count, 1)
        rest[part] = 1 / max(left, SMALLEST_REST)
        gains[part, :count] = 1 / variances - rest[part]
        basis[start : start + width, :count] = main
        start += width
    return PartDistances(mean, scale, np.array(widths, np.int64), basis, gains, rest)


def _main_directions(rows: Features, count: int) -> npt.NDArray[np.float32]:
    """Orthogonal directions [features, count] of about the largest variances, largest first."""
    start = np.random.default_rng(0).normal(size=(rows.shape[1], count)).astype(np.float32)
    basis, _ = np.linalg.qr(start)
    for _ in range(ROUNDS):
        basis, _ = np.linalg.qr(rows.T @ (rows @ basis))
    _, turn = np.linalg.eigh(np.cov(rows @ basis, rowvar=False).reshape(count, count))
    main: npt.NDArray[np.float32] = (basis @ turn[:, ::-1]).astype(np.float32)
    return main
