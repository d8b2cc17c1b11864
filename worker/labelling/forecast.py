"""What the next 50 decisions would bring, from what the last ones brought.

Each head remembers what it took the images for. The present head, which knows more, says how likely
each of these guesses was right, and a person's labels say it for sure. So the errors of earlier
heads are known up to a common factor, with little noise, as the images are the same. What comes is
the mean of two curves: errors as they fell so far, by a power of the number of decisions; and what
is usual for as many errors and kinds of images.
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
#: Heads of fewer than ten decisions are no measure of what the last 50 brought.
LEAST_DECISIONS = 60
#: The highest power of the curve so far, which is fitted to this number of decisions.
STEEPEST, CURVE = 2.0, 50
#: Of decisions, the share that puts an image right as long as there are wrong ones: the others are
#: about whole pages, or about images that chance drew.
PUT_RIGHT = 0.8
#: Of the last decisions, the share that named a new kind is this number of times the share of
#: images whose kind has no name yet: pages of groups look for new kinds.
NEW_KINDS = 2.0
#: The usual power is 1 as long as there are fewer decisions for each kind, then less in proportion:
#: the more a head knows about a kind, the less it learns from another label.
EARLY = 4.0
#: A range is this wide, or half of what the last 50 decisions surely brought: of images that the
#: present head takes for others than a head before, at least this share of the gain is real.
LEAST_WIDTH, SURELY_LEARNED = 0.02, 0.7
#: It cannot be told where this number of halves of the range is expected: gains differ from
#: expected ones by about 0.3 of these, so that a range at this limit holds in 8 of 10 cases.
MOST_EXPECTED = 2.5
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


class Course(NamedTuple):
    """Of heads, the last one the present one. Shares of all images, as the present one sees it."""

    decisions: Numbers
    errors: Series
    put_right: Series  #: of these errors, those that a person has named since
    kinds: Numbers  #: of images, that had a name

    def last(self, of: npt.NDArray[np.number]) -> float:
        """By how much one of these fell with the last 50 decisions."""
        before = np.interp(self.decisions[-1] - AHEAD, self.decisions, of)
        return float(before - of[-1])


class _Head(NamedTuple):
    decisions: int
    kinds: int
    guesses: npt.NDArray[np.int32]  #: a person's label where there is one


class Forecast:
    """The heads so far of a folder with rows float32 [n, k] and sizes [n]."""

    def __init__(self, rows: Features, sizes: Numbers) -> None:
        self._rows, self._sizes = rows, sizes
        self._heads: list[_Head] = []

    def after(self, decisions: int, decided: Labels, fitted: Fitted, oftener: float) -> Gain:
        """What the next 50 decisions would bring after this number of them. Images drawn by chance
        were wrong this number of times as often as their confidences say."""
        heads = [
            head for head in self._heads if decisions - BEHIND - APART <= head.decisions < decisions
        ]
        guesses = np.where(decided >= 0, decided, fitted.guesses).astype(np.int32)
        kinds = len(np.unique(decided[decided >= 0]))
        self._heads = [*heads, _Head(decisions, kinds, guesses)]
        course, rows = self._course(decided, fitted), int((decided >= -1).sum())
        if heads and decisions - heads[-1].decisions < APART:
            self._heads.pop()
        return next_gain(course, rows, oftener)

    def _course(self, decided: Labels, fitted: Fitted) -> Course:
        weights = np.where(decided < -1, 0, self._sizes)  # without those that are left out
        weights = weights / max(1, weights.sum())
        guesses = np.stack([head.guesses for head in self._heads])
        named = np.flatnonzero(decided >= 0)
        put_right: Series = (guesses[:, named] != decided[named]) @ weights[named]
        errors = np.ones(len(guesses))
        for start in range(0, len(decided), BLOCK_IMAGES):
            block = slice(start, start + BLOCK_IMAGES)
            chances = _chances(fitted, self._rows[block], decided[block], guesses[:, block])
            errors -= chances @ weights[block]
        decisions = np.array([head.decisions for head in self._heads])
        return Course(decisions, errors, put_right, np.array([head.kinds for head in self._heads]))


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


def next_gain(course: Course, rows: int, oftener: float = 1.0) -> Gain:
    """The gain after the present head, of this number of rows that are decided one at a time."""
    now = course.decisions[-1]
    if now < LEAST_DECISIONS or course.decisions[0] > now - AHEAD:
        return NOT_KNOWN
    half = _width(course) / 2
    expected = (_continued(course) + _usual(course, rows, oftener)) / 2
    if expected > MOST_EXPECTED * half:
        return NOT_KNOWN
    low = max(0.0, expected - half)
    return Gain(low, low + 2 * half)


def _width(course: Course) -> float:
    put_right = course.last(course.put_right)
    learned = max(0.0, course.last(course.errors) - put_right)
    return max(LEAST_WIDTH, (put_right + SURELY_LEARNED * learned) / 2)


def _continued(course: Course) -> float:
    """How much errors fall with the next decisions, by the power of the number of decisions that
    fits best by least squares."""
    now = course.decisions[-1]
    recent = course.decisions >= now - CURVE - APART
    steps = np.log(course.decisions[recent])
    falls = np.log(np.maximum(course.errors[recent], SMALLEST_ERROR))
    mean = steps.mean()
    power = float(np.clip(-((steps - mean) @ falls) / np.square(steps - mean).sum(), 0, STEEPEST))
    before, after = power * (steps[-1] - mean), power * (np.log(now + AHEAD) - mean)
    return float(np.exp(falls.mean()) * (np.exp(-before) - np.exp(-after)))


def _usual(course: Course, rows: int, oftener: float) -> float:
    """How much errors fall in most folders: decisions put images right, and a head learns."""
    now, kinds = course.decisions[-1], course.kinds[-1]
    unseen = max(0.0, -course.last(course.kinds)) / AHEAD / NEW_KINDS
    wrong = max(0.0, float(course.errors[-1])) * oftener + unseen
    put_right = min(wrong, PUT_RIGHT * AHEAD / max(1, rows))
    power = min(1.0, EARLY * kinds / now)
    return float(put_right + (wrong - put_right) * (1 - (now / (now + AHEAD)) ** power))
