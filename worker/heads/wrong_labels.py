"""How probable it is that each label is wrong, from answers of heads that did not learn from it.

A label is that of the image with probability 1 - s, otherwise any other class with equal chances;
what the image shows follows the answers, at a temperature. Both numbers are those under which the
given labels are most likely. So hard images, of which some classes have many, are no reason to
doubt a label: they set the temperature. `make bench-corrections` counts planted labels that are
found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.heads.linear_head import Labels
from worker.runtimes.runtime import Logits

Shares = npt.NDArray[np.float64]  #: [n], between 0 and 1
#: Factors of the logits that are tried, which are near 1 as they have their temperature already;
#: without the wrong labels a head is surer than its temperature says.
SMALLEST, LARGEST, STEPS = 0.5, 8.0, 25
#: Rounds of the search for the factor, each within a step of the one before.
ROUNDS = 2
#: The largest share of wrong labels that is looked for.
MOST = 0.5
#: Halvings of the interval of the share.
HALVINGS = 40


class WrongLabels(NamedTuple):
    """The share of labels that are wrong, and the probability for each label [n]."""

    share: float
    probabilities: Shares


def wrong_labels(logits: Logits, labels: Labels) -> WrongLabels:
    """Fit the share and the temperature to logits [n, classes], after their own temperature."""
    lowest, highest, best = SMALLEST, LARGEST, _Fit(-np.inf, 1.0, 0.0, np.empty(0))
    for _ in range(ROUNDS):
        factors = np.geomspace(lowest, highest, STEPS)
        best = max(
            [best, *(_fit(logits, labels, factor) for factor in factors)],
            key=lambda factor: factor[0],
        )
        step = factors[1] / factors[0]
        lowest, highest = best.factor / step, best.factor * step
    other = best.share * _other(best.given, logits.shape[1])
    return WrongLabels(best.share, other / ((1 - best.share) * best.given + other))


class _Fit(NamedTuple):
    likelihood: float
    factor: float
    share: float
    given: Shares  #: what the answers give the labels, without wrong ones


def _fit(logits: Logits, labels: Labels, factor: float) -> _Fit:
    """The best share at this factor."""
    values = factor * logits.astype(np.float64)
    values -= values.max(1, keepdims=True)
    powers = np.exp(values)
    given = np.maximum(powers[np.arange(len(labels)), labels] / powers.sum(1), _TINY)
    share = _share(given, _other(given, logits.shape[1]) - given)
    likelihood = np.log(given + share * (_other(given, logits.shape[1]) - given)).sum()
    return _Fit(float(likelihood), factor, share, given)


_TINY = np.finfo(np.float64).tiny


def _other(given: Shares, classes: int) -> Shares:
    """What a wrong label has from the other classes."""
    others: Shares = (1 - given) / max(classes - 1, 1)
    return others


def _share(given: Shares, gain: Shares) -> float:
    """The share where the likelihood, which is concave in it, is largest."""
    low, high = 0.0, MOST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        rises = (gain / (given + middle * gain)).sum() > 0
        low, high = (middle, high) if rises else (low, middle)
    return low
