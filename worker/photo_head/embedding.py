"""Features in fewer numbers: their principal components, which keep what differs most."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from worker.photo_head.linear_head import BLOCK_IMAGES, Features, standardization

#: Of the 2,304 features of efficientnet-lite0; 256 have four fifths of their variance.
COMPONENTS = 256
#: Columns beside those wanted, and turns, until the space no longer changes (Halko, Martinsson and
#: Tropp, 2011).
MORE_COLUMNS, TURNS = 16, 12

Matrix = npt.NDArray[np.float64]


def embedded(features: Features, components: int = COMPONENTS) -> npt.NDArray[np.float16]:
    """float16 [n, k] of features [n, features]: standardized, turned, and divided by the deviation
    of the first component. The same for the same features."""
    count = min(components, *features.shape)
    form = standardization(features)
    axes = _axes(_products(features, *form), count)
    made = np.empty((len(features), count), np.float32)
    for start, rows in _standardized(features, *form):
        made[start : start + len(rows)] = rows @ axes
    deviation = max(float(made[:, 0].std()), 1e-6)
    return (made / deviation).astype(np.float16)


def _standardized(
    features: Features, mean: npt.NDArray[np.float32], scale: npt.NDArray[np.float32]
) -> Iterator[tuple[int, Features]]:
    """Some rows at a time, so that there is no second copy of all."""
    for start in range(0, len(features), BLOCK_IMAGES):
        yield start, (features[start : start + BLOCK_IMAGES] - mean) * scale


def _products(
    features: Features, mean: npt.NDArray[np.float32], scale: npt.NDArray[np.float32]
) -> Matrix:
    products = np.zeros((features.shape[1],) * 2, np.float64)
    for _, rows in _standardized(features, mean, scale):
        products += rows.T @ rows
    return products


def _axes(products: Matrix, count: int) -> Features:
    """The directions of most variance, [features, count]."""
    columns = min(count + MORE_COLUMNS, len(products))
    space = np.random.default_rng(0).standard_normal((len(products), columns))
    for _ in range(TURNS):
        space = np.linalg.qr(products @ space)[0]
    _, inner = np.linalg.eigh(space.T @ products @ space)
    axes: Features = (space @ inner[:, ::-1][:, :count]).astype(np.float32)
    return axes
