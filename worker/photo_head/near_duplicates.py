"""Groups images that show the same scene: copies in other files, sizes, crops, and bursts.

Such images must be learned from and measured together, or a figure measures memory. Others are
compared by features in fewer numbers: their principal components, which keep what differs most.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from worker.photo_head.linear_head import BLOCK_IMAGES, Features, standardization

#: Cosine of the standardized features of two images from which they are near-duplicates.
SIMILAR = 0.9
#: Images that are compared with all others at a time: bounds the memory.
COMPARED_IMAGES = 512

Groups = npt.NDArray[np.int64]  #: [n], the number of each image's group, counted from 0
Digests = npt.NDArray[np.uint64]  #: [n], of each image's content
#: Of the 2,304 features of efficientnet-lite0; 256 have four fifths of their variance.
COMPONENTS = 256
#: Columns beside those wanted, and turns, until the space no longer changes (Halko, Martinsson and
#: Tropp, 2011).
MORE_COLUMNS, TURNS = 16, 12

Matrix = npt.NDArray[np.float64]


def groups(
    features: Features,
    digests: Digests,
    similar: float = SIMILAR,
    mirrored: Features | None = None,
) -> Groups:
    """The group of each image: near-duplicates, and near-duplicates of those.

    `mirrored` are the features of the mirror images: what is like one of them belongs to the group
    of its image. Equal digests are one group, with any features. The numbers follow the smallest
    digests, so that they do not depend on the order of the images.
    """
    _, first, same = np.unique(digests, return_index=True, return_inverse=True)
    links = _Links(len(first))
    mirrors = None if mirrored is None else mirrored[first]
    for alike in _alike(features[first], mirrors, similar):
        links.join(alike)
    return _numbered(links.roots()[same], digests)


def _alike(
    features: Features, mirrored: Features | None, similar: float
) -> Iterator[npt.NDArray[np.int64]]:
    """Each image, by its number, with the later ones that are like it."""
    if not len(features):
        return
    form = standardization(features)
    rows = _directions(features, *form)
    mirrors = None if mirrored is None else _directions(mirrored, *form)
    for start in range(0, len(rows), COMPARED_IMAGES):
        end = start + COMPARED_IMAGES
        close = rows[start:end] @ rows[start:].T >= similar
        if mirrors is not None:
            close |= rows[start:end] @ mirrors[start:].T >= similar
        # Each pair once: earlier rows were compared in their own block.
        close = np.triu(close, 1)
        for row in np.flatnonzero(close.any(1)):
            yield start + np.concatenate([[row], np.flatnonzero(close[row])])


def _directions(
    features: Features, mean: npt.NDArray[np.float32], scale: npt.NDArray[np.float32]
) -> Features:
    """Standardized features of length 1: float32 [n, features]."""
    rows: Features = (features - mean) * scale
    rows[~rows.any(1)] = 1  # no difference from the mean has no direction, and is alike
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return rows


def _numbered(roots: Groups, digests: Digests) -> Groups:
    _, group = np.unique(roots, return_inverse=True)
    smallest = np.full(int(group.max(initial=-1)) + 1, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, group, digests)
    rank = np.empty(len(smallest), np.int64)
    rank[np.argsort(smallest)] = np.arange(len(smallest))
    numbers: Groups = rank[group]
    return numbers


class _Links:
    """Disjoint sets of images (union-find)."""

    def __init__(self, count: int) -> None:
        self._parents = np.arange(count)

    def join(self, images: npt.NDArray[np.int64]) -> None:
        """Merge the sets of these images."""
        roots = self._roots(images)
        self._parents[roots] = roots.min()

    def roots(self) -> Groups:
        """The representative of each image's set, [n]."""
        return self._roots(np.arange(len(self._parents)))

    def _roots(self, images: npt.NDArray[np.int64]) -> Groups:
        roots = self._parents[images]
        while ((above := self._parents[roots]) != roots).any():
            roots = above
        self._parents[images] = roots  # shortens the next search
        return roots


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
