"""Chooses the weights of networks in the mean of their probabilities, from held-out answers.

By the logarithmic loss, which sees more of an answer than whether it is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.datasets.examples import Labels
from worker.evaluation.metrics import SMALLEST_PROBABILITY
from worker.runtimes.runtime import Probabilities

#: A mixture of fewer networks is none.
FEWEST = 2
#: Images that favour equal weights, beside those that are held out.
EQUAL_IMAGES = 20
#: Expectation and maximization, which ends near the best weights of a few networks.
ROUNDS = 200
#: A network more must lower the loss by this share of the standard error of the difference.
WORTH = 0.5

Floats = npt.NDArray[np.float64]
#: The numbers of the networks of each.
Groups = Sequence[list[int]]


class Mixture(NamedTuple):
    """Weights that sum to 1, and the loss of each image."""

    weights: tuple[float, ...]  #: 0: the network is no part
    losses: Floats  #: [n], nats


def choose(answers: Sequence[Probabilities], labels: Labels, groups: Groups) -> Mixture:
    """The weights of two or more networks: answers [n, classes] of each, true labels int64 [n].

    The networks of a group have equal weights. The first group is a part of every mixture.
    """
    right = _of_truth(answers, labels)
    first, *others = groups
    best: Mixture | None = None
    for more in range(max(0, FEWEST - len(first)), len(groups)):
        tried = [_mixture(right, [first, *chosen]) for chosen in combinations(others, more)]
        smallest = min(tried, key=lambda mixture: float(mixture.losses.mean()))
        if best is None or _is_worth(best.losses - smallest.losses):
            best = smallest
    assert best is not None
    return best


def weighted(answers: Sequence[Probabilities], labels: Labels, groups: Groups) -> Mixture:
    """The weights of these networks, none of which is left out."""
    return _mixture(_of_truth(answers, labels), groups)


def _of_truth(answers: Sequence[Probabilities], labels: Labels) -> Floats:
    """The probabilities of the true labels, [networks, n]."""
    given = np.stack([answer[np.arange(len(labels)), labels] for answer in answers])
    return np.maximum(given.astype(np.float64), SMALLEST_PROBABILITY)


def _mixture(right: Floats, groups: Groups) -> Mixture:
    """The weights of the groups, from the probabilities of the true labels."""
    of_groups = np.stack([right[group].mean(0) for group in groups])
    sizes = np.array([len(group) for group in groups])
    equal = shares = sizes / sizes.sum()
    for _ in range(ROUNDS):
        parts = shares[:, None] * of_groups
        given = (parts / parts.sum(0)).sum(1) + EQUAL_IMAGES * equal
        shares = given / given.sum()
    weights = np.zeros(len(right))
    for group, share in zip(groups, shares / sizes, strict=True):
        weights[group] = share
    return Mixture(tuple(weights.tolist()), -np.log(shares @ of_groups))


def _is_worth(gains: Floats) -> bool:
    error = gains.std() / np.sqrt(len(gains))
    return bool(gains.mean() > WORTH * error)
