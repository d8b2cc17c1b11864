"""Groups images that show the same scene: copies in other files, sizes, crops, and bursts.

Such images must be learned from and measured together, or a figure measures memory. Others are
compared by features in fewer numbers: their principal components, which keep what differs most.

Groups are divided into folds for cross-validation by a hash of their content. An image stays in its
fold in every retraining, whatever is added or removed, unless its group changes, one of its classes
would have no images outside of the fold, or the number of folds changes, as between 500 and 501
images.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from worker.heads.linear_head import BLOCK_IMAGES, Features, Labels, standardization

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
#: With five folds a head is measured on four fifths of what the published one learns from.
FOLDS = 5
#: For few images that is too different: on groceries, 15 to 40 photos of each of 12 classes, the
#: published head was right 1 to 9 points more often than its confidence, with ten folds 1 to 4.
#: From 60 of each on both are within 1, and twenty folds change nothing.
FEW_IMAGES, FOLDS_OF_FEW = 500, 10

Folds = npt.NDArray[np.int64]  #: [n], counted from 0
Presence = npt.NDArray[np.int64]  #: [classes, folds], images


def groups(features: Features, digests: Digests, mirrored: Features | None = None) -> Groups:
    """The group of each image: near-duplicates, and near-duplicates of those.

    `mirrored` are the features of the mirror images: what is like one of them belongs to the group
    of its image. Equal digests are one group, with any features. The numbers follow the smallest
    digests, so that they do not depend on the order of the images.
    """
    _, first, same = np.unique(digests, return_index=True, return_inverse=True)
    links = _Links(len(first))
    mirrors = None if mirrored is None else mirrored[first]
    for alike in _alike(features[first], mirrors):
        links.join(alike)
    return _numbered(links.roots()[same], digests)


def _alike(features: Features, mirrored: Features | None) -> Iterator[npt.NDArray[np.int64]]:
    """Each image, by its number, with the later ones that are like it."""
    if not len(features):
        return
    form = standardization(features)
    rows = _directions(features, *form)
    mirrors = None if mirrored is None else _directions(mirrored, *form)
    for start in range(0, len(rows), COMPARED_IMAGES):
        end = start + COMPARED_IMAGES
        close = rows[start:end] @ rows[start:].T >= SIMILAR
        if mirrors is not None:
            close |= rows[start:end] @ mirrors[start:].T >= SIMILAR
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


def embedded(features: Features) -> npt.NDArray[np.float16]:
    """float16 [n, k] of features [n, features]: standardized, turned, and divided by the deviation
    of the first component. The same for the same features."""
    count = min(COMPONENTS, *features.shape)
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


def fold_count(images: int) -> int:
    """The number of folds in which heads of this number of images are measured."""
    return FOLDS_OF_FEW if images <= FEW_IMAGES else FOLDS


def folds(groups: Groups, digests: Digests, labels: Labels, count: int = FOLDS) -> Folds:
    """The fold of each image; a group is in one fold.

    A class of two different images is spread over two folds where one group can move without
    harm to another class, so that a head without one fold knows it. Where all images of a class are
    near-duplicates, they are separated for this; `alike` names these classes.
    """
    parts = separated(groups, digests, labels)
    keys = np.full(int(parts.max(initial=-1)) + 1, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(keys, parts, digests)
    of_part = (keys % np.uint64(count)).astype(np.int64)
    _spread(of_part, keys, parts, labels, count)
    of_image: Folds = of_part[parts]
    return of_image


def alike(groups: Groups, labels: Labels) -> list[int]:
    """The classes whose images, two or more, are one group: no figure of theirs is reliable."""
    return [
        int(label)
        for label in np.unique(labels)
        if np.count_nonzero(labels == label) > 1 and len(np.unique(groups[labels == label])) == 1
    ]


def separated(groups: Groups, digests: Digests, labels: Labels) -> Groups:
    """The groups, and in place of those that are a whole class its single contents."""
    parts = groups.copy()
    for label in alike(groups, labels):
        mine = labels == label
        contents = np.unique(digests[mine], return_inverse=True)[1]
        parts[mine] = parts.max() + 1 + contents
    numbers: Groups = np.unique(parts, return_inverse=True)[1]
    return numbers


def _spread(of_part: Folds, keys: Digests, parts: Groups, labels: Labels, count: int) -> None:
    """Move parts of classes that are in one fold, each to the fold where it helps most."""
    presence = np.zeros((int(labels.max(initial=-1)) + 1, count), np.int64)
    np.add.at(presence, (labels, of_part[parts]), 1)
    steps = range(1, count)
    fixed = np.array([len(np.unique(parts[labels == label])) < 2 for label in range(len(presence))])

    def lonely(present: Presence) -> npt.NDArray[np.int64]:
        return np.flatnonzero((np.count_nonzero(present, axis=1) == 1) & ~fixed)

    while len(alone := lonely(presence)):
        # By content, not by the number of the class, which depends on the other classes. Equal
        # contents of separated classes move together.
        for key in np.unique(keys[parts[np.isin(labels, alone)]])[::-1]:
            same = keys == key
            here = int(of_part[same][0])
            moved = np.bincount(labels[same[parts]], minlength=len(presence))
            trials = [_moved(presence, moved, here, (here + step) % count) for step in steps]
            remaining = [len(lonely(trial)) for trial in trials]
            if min(remaining) < len(alone):
                best = int(np.argmin(remaining))
                of_part[same], presence = (here + steps[best]) % count, trials[best]
                break
        else:  # groups across many classes; each has an image elsewhere
            return


def _moved(presence: Presence, images: npt.NDArray[np.int64], start: int, end: int) -> Presence:
    """The presence with `images`, counted by class, in the fold `end` instead of `start`."""
    moved = presence.copy()
    moved[:, start] -= images
    moved[:, end] += images
    return moved
