"""A linear head by discriminant analysis, with the covariance shrunk (Ledoit and Wolf, 2004).

It models how images of one class vary, so it needs fewer images than softmax regression, and no
steps of a minimization. Classes have equal weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from worker.photo_head.linear_head import Features, Labels, standardization
from worker.runtimes.heads import Head

Matrix = npt.NDArray[np.floating]
#: A class without images has logits lower than any other's by this.
ABSENT = 10.0


def fit(
    features: Features,
    labels: Labels,
    classes: int,
    shrinkages: Sequence[float],
    *,
    power: float = 0.0,
) -> list[Head]:
    """One head for each shrinkage, in order.

    A shrinkage, above 0, is the share of a multiple of the identity in the covariance of images
    about the means of their classes. `power`: each feature is scaled first, to this power of its
    deviation. With 0 all vary equally, which principal components must not: the last ones are
    mostly noise.
    """
    mean, scale = standardization(features)
    scale = np.power(scale, 1 - power, out=np.zeros_like(scale), where=scale > 0)  # 0: a constant
    rows = (features - mean) * scale
    present = np.bincount(labels, minlength=classes) > 0
    centres = np.zeros((classes, rows.shape[1]), np.float32)
    for label in np.flatnonzero(present):
        centres[label] = rows[labels == label].mean(0)
    rows -= centres[labels]
    solve = _Solver(rows)
    return [
        _head(solve(centres.T, shrinkage), centres, present, mean, scale)
        for shrinkage in shrinkages
    ]


def _head(
    weights: Matrix,
    centres: Features,
    present: npt.NDArray[np.bool_],
    mean: npt.NDArray[np.float32],
    scale: npt.NDArray[np.float32],
) -> Head:
    """The head for features as they are. `weights` are those of standardized ones; the logit of a
    class is its weights times what an image has beyond half of the class's centre."""
    bias = -0.5 * (weights * centres.T).sum(0)
    bias[~present] = bias.min() - ABSENT
    kernel = (scale[:, None] * weights).astype(np.float32)
    return Head(kernel, (bias - mean @ kernel).astype(np.float32))


class _Solver:
    """Solves for the shrunk covariance of rows [n, features] about 0, in the smaller dimension."""

    def __init__(self, rows: Features) -> None:
        self._rows = rows
        self._few = len(rows) < rows.shape[1]
        self._products = (rows @ rows.T if self._few else rows.T @ rows).astype(np.float64)
        #: The mean variance; the rest of constant features would be 0.
        self._variance = max(float(np.trace(self._products)) / rows.size, 1e-6)

    def __call__(self, right: Features, shrinkage: float) -> Matrix:
        """The inverse covariance times `right` [features, several]."""
        ridge = shrinkage * self._variance
        share = (1 - shrinkage) / len(self._rows)
        matrix = share * self._products
        matrix[np.diag_indices_from(matrix)] += ridge
        if not self._few:
            solution: Matrix = np.linalg.solve(matrix, right)
            return solution
        # Woodbury's identity.
        inner = np.linalg.solve(matrix, self._rows @ right)
        return (right - share * (self._rows.T @ inner)) / ridge
