"""Groups of alike images, by k-means."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.heads.linear_head import Features

#: More groups than most folders have kinds of images: each kind has several looks.
GROUPS = 80
#: A group of fewer images in the mean would be shown whole.
LEAST_IN_GROUP = 4
MAX_STEPS = 30
#: Images that the centres are computed from: more take seconds, and move them little.
SAMPLE = 10_000
#: Images whose distances are in memory at once.
BLOCK_IMAGES = 4096

Numbers = npt.NDArray[np.int64]


class Groups(NamedTuple):
    """The groups of images [n]."""

    of: Numbers  #: the group of each image
    distances: Features  #: [n], squared, to the centre of its own group


def count(images: int, most: int = GROUPS) -> int:
    """The number of groups for this number of images."""
    return max(1, min(most, images // LEAST_IN_GROUP))


def kmeans(rows: Features, groups: int, seed: int) -> Groups:
    """Groups of rows [n, k], the same for the same rows and seed. Some may be empty."""
    chance = np.random.default_rng(seed)
    some = rows
    if len(rows) > SAMPLE:
        some = rows[np.sort(chance.choice(len(rows), SAMPLE, replace=False))]
    centres = _first_centres(some, groups, chance)
    of, _ = _nearest(some, centres)
    for _ in range(MAX_STEPS):
        centres[np.unique(of)] = _means(some, of)
        before, (of, _) = of, _nearest(some, centres)
        if (of == before).all():
            break
    return _nearest(rows, centres)


def _means(rows: Features, of: Numbers) -> Features:
    """The mean of each group that has images, in order."""
    order = np.argsort(of, kind="stable")
    _, first, sizes = np.unique(of[order], return_index=True, return_counts=True)
    sums: Features = np.add.reduceat(rows[order], first)
    sums /= sizes[:, None]
    return sums


def _first_centres(rows: Features, groups: int, chance: np.random.Generator) -> Features:
    """Rows far from each other (k-means++)."""
    chosen = [int(chance.integers(len(rows)))]
    nearest = _squared(rows, rows[chosen])[:, 0]
    while len(chosen) < groups:
        sums = np.cumsum(nearest, dtype=np.float64)  # 0: fewer different rows than groups
        row = int(np.searchsorted(sums, chance.random() * sums[-1]))
        chosen.append(min(row, len(rows) - 1))
        nearest = np.minimum(nearest, _squared(rows, rows[chosen[-1:]])[:, 0])
    return rows[chosen]


def _nearest(rows: Features, centres: Features) -> Groups:
    of, distances = np.empty(len(rows), np.int64), np.empty(len(rows), np.float32)
    for start in range(0, len(rows), BLOCK_IMAGES):
        block = slice(start, start + BLOCK_IMAGES)
        apart = _squared(rows[block], centres)
        of[block] = apart.argmin(1)
        distances[block] = apart.min(1)
    return Groups(of, distances)


def _squared(rows: Features, centres: Features) -> Features:
    """Squared distances [n, groups]."""
    products = rows @ centres.T
    lengths = np.einsum("ij,ij->i", rows, rows)[:, None] + np.einsum("ij,ij->i", centres, centres)
    squared: Features = np.maximum(lengths - 2 * products, 0)
    return squared
