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

#: Images that favour equal weights, beside those that are held out.
EQUAL_IMAGES = 20
#: Expectation and maximization, which ends near the best weights of a few networks.
ROUNDS = 200
#: A network more must lower the loss by this share of the standard error of the difference.
WORTH = 0.5

Floats = npt.NDArray[np.float64]


class Mixture(NamedTuple):
    """Weights that sum to 1, and the loss of each image."""

    weights: tuple[float, ...]  #: 0: the network is no part
    losses: Floats  #: [n], nats


def choose(answers: Sequence[Probabilities], labels: Labels) -> Mixture:
    """The weights of two or more networks: answers [n, classes] of each, true labels int64 [n]."""
    right = _of_truth(answers, labels)
    best: Mixture | None = None
    for size in range(2, len(answers) + 1):
        tried = [_mixture(right, chosen) for chosen in combinations(range(len(answers)), size)]
        smallest = min(tried, key=lambda mixture: float(mixture.losses.mean()))
        if best is None or _is_worth(best.losses - smallest.losses):
            best = smallest
    assert best is not None
    return best


def weighted(answers: Sequence[Probabilities], labels: Labels) -> Mixture:
    """The weights of these networks, none of which is left out."""
    return _mixture(_of_truth(answers, labels), range(len(answers)))


def _of_truth(answers: Sequence[Probabilities], labels: Labels) -> Floats:
    """The probabilities of the true labels, [networks, n]."""
    given = np.stack([answer[np.arange(len(labels)), labels] for answer in answers])
    return np.maximum(given.astype(np.float64), SMALLEST_PROBABILITY)


def _mixture(right: Floats, chosen: Sequence[int]) -> Mixture:
    """The weights of the chosen networks, from the probabilities of the true labels."""
    of_chosen = right[list(chosen)]
    shares = np.full(len(chosen), 1 / len(chosen))
    for _ in range(ROUNDS):
        parts = shares[:, None] * of_chosen
        given = (parts / parts.sum(0)).sum(1) + EQUAL_IMAGES / len(chosen)
        shares = given / given.sum()
    weights = np.zeros(len(right))
    weights[list(chosen)] = shares
    return Mixture(tuple(weights.tolist()), -np.log(shares @ of_chosen))


def _is_worth(gains: Floats) -> bool:
    error = gains.std() / np.sqrt(len(gains))
    return bool(gains.mean() > WORTH * error)
