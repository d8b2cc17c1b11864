"""What the next 50 decisions would bring, from what the last ones brought.

Each head remembers what it took the images for. The present head, which knows more, says how likely
each of these guesses was right, and a person's labels say it for sure. So the errors of earlier
heads are known up to a common factor, with little noise, as the images are the same. Errors fall
like a power of the number of decisions; the curve is continued by 50 decisions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.labelling.fitted import Fitted
from worker.photo_head.linear_head import Features, Labels
from worker.runtimes.classifier import probabilities

AHEAD = 50
#: Heads are remembered for this number of decisions, one for each of the other number.
BEHIND, APART = 80, 4
#: Fewer decisions have no steady curve.
LEAST_DECISIONS = 95
#: The power that errors fall by, in the mean of sets of photos, and the highest of an own curve.
USUAL_POWER, STEEPEST = 0.7, 2.0
#: The own curve is fitted to this number of decisions.
CURVE = 50
#: A range is this wide, or this share of what the last 50 decisions brought, of which the estimate
#: is up to a fifth too high.
LEAST_WIDTH, SHARE_OF_LAST = 0.02, 0.42
#: It cannot be told where what the own curve and the usual one would bring is further apart than
#: this, or one of them more than this, in halves of the range: the gains of simulated people
#: differed by about a third of what was expected.
MOST_APART, MOST_EXPECTED = 1.0, 2.6
SMALLEST_ERROR = 1e-3
#: Images whose probabilities are in memory at once.
BLOCK_IMAGES = 4096

Numbers = npt.NDArray[np.int64]
Series = npt.NDArray[np.float64]


class Gain(NamedTuple):
    """A range of shares of all images; None: it cannot be told."""

    low: float | None
    high: float | None


NOT_KNOWN = Gain(None, None)


class _Head(NamedTuple):
    decisions: int
    guesses: npt.NDArray[np.int32]  #: a person's label where there is one


class Forecast:
    """The heads so far of a folder with rows float32 [n, k] and sizes [n]."""

    def __init__(self, rows: Features, sizes: Numbers) -> None:
        self._rows, self._sizes = rows, sizes
        self._heads: list[_Head] = []

    def after(self, decisions: int, decided: Labels, fitted: Fitted, more: float) -> Gain:
        """What the next 50 decisions would bring after this number of them. `more`: the share by
        which images drawn by chance were wrong more often than their confidences say."""
        heads = [
            head for head in self._heads if decisions - BEHIND - APART <= head.decisions < decisions
        ]
        guesses = np.where(decided >= 0, decided, fitted.guesses).astype(np.int32)
        self._heads = [*heads, _Head(decisions, guesses)]
        errors = self._errors(decided, fitted)
        gain = next_gain(np.array([head.decisions for head in self._heads]), errors, more)
        if heads and decisions - heads[-1].decisions < APART:
            self._heads.pop()
        return gain

    def _errors(self, decided: Labels, fitted: Fitted) -> Series:
        """The share of images that each head has wrong, as the present one sees it."""
        weights = np.where(decided < -1, 0, self._sizes)  # without those that are left out
        guesses = np.stack([head.guesses for head in self._heads])
        right = np.zeros(len(guesses))
        for start in range(0, len(decided), BLOCK_IMAGES):
            block = slice(start, start + BLOCK_IMAGES)
            chances = _chances(fitted, self._rows[block], decided[block], guesses[:, block])
            right += chances @ weights[block]
        errors: Series = 1 - right / max(1, weights.sum())
        return errors


def _chances(
    fitted: Fitted, rows: Features, decided: Labels, guesses: npt.NDArray[np.int32]
) -> npt.NDArray[np.float32]:
    """How likely guesses [heads, n] are right."""
    answers = probabilities(fitted.head.logits(rows), fitted.temperature).astype(np.float32)
    named = np.flatnonzero(decided >= 0)
    answers[named] = 0
    answers[named, decided[named]] = 1
    known = guesses < answers.shape[1]
    chances: npt.NDArray[np.float32] = answers[np.arange(len(rows)), np.where(known, guesses, 0)]
    chances[~known] = 0
    return chances


def next_gain(decisions: Numbers, errors: Series, more: float = 0.0) -> Gain:
    """The gain after the last of these numbers of decisions, from errors after each of them."""
    now = int(decisions[-1])
    if now < LEAST_DECISIONS or decisions[0] > now - AHEAD:
        return NOT_KNOWN
    errors = np.maximum(errors, SMALLEST_ERROR)
    last = float(np.interp(now - AHEAD, decisions, errors) - errors[-1])
    half = max(LEAST_WIDTH, SHARE_OF_LAST * last) / 2
    recent = decisions >= now - CURVE - APART
    own = _continued(decisions[recent], errors[recent])
    usual = max(0.0, float(errors[-1]) + more) * (1 - (now / (now + AHEAD)) ** USUAL_POWER)
    if abs(own - usual) > MOST_APART * half or max(own, usual) > MOST_EXPECTED * half:
        return NOT_KNOWN
    low = max(0.0, (own + usual) / 2 - half)
    return Gain(low, low + 2 * half)


def _continued(decisions: Numbers, errors: Series) -> float:
    """How much errors fall with the next decisions, by the power of the number of decisions that
    fits best by least squares."""
    steps, falls = np.log(decisions), np.log(errors)
    from_mean = steps - steps.mean()
    power = float(np.clip(-(from_mean @ falls) / (from_mean @ from_mean), 0, STEEPEST))
    now, then = steps[-1] - steps.mean(), np.log(decisions[-1] + AHEAD) - steps.mean()
    return float(np.exp(falls.mean()) * (np.exp(-power * now) - np.exp(-power * then)))
