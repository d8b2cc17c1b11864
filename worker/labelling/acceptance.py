"""Which images without a decision are accepted: how likely each guess is right.

That is learned from guesses about labelled images, by heads that had not learned from them. Half of
these heads had not learned from images of the same group either, so they meet looks, and kinds,
that no person has named. A confidence is high there, too: it compares the kinds that a head knows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.heads import linear_head
from worker.heads.linear_head import Features, Labels
from worker.labelling.fitted import Fitted, Shares, heads
from worker.runtimes.runtime import probabilities, softmax

#: The share of accepted images that should be right, 95 %, and two points: of a group those images
#: are labelled that a head takes for the same, so the others are right a little less often, and
#: draws differ by a point.
RIGHT = 0.97
#: Both of whole groups and of images.
FOLDS = 5
#: Of distances to the centre of a label: those of the last components count, too, which show that
#: an image is of another kind.
SHRINKAGE = 0.15
#: With fewer, about 40 decisions, often a tenth of all images or more are of kinds without a name.
LEAST_LABELLED = 100
#: Nothing is accepted while another group would have a new label more often: with 0.25, in 5 of 30
#: draws of 44 kinds of photos fewer than 95 % of the accepted ones were right after 120 decisions.
MOST_NEW = 0.15
#: More than a group names at once: what is known from one look may be that of another kind, too.
LEAST_OF_LABEL = 6
#: Of the squared weights of the evidence, beside the loss of a labelled image.
PENALTY = 1.0
SMALLEST = 1e-6
#: Images whose distances are in memory at once.
BLOCK_IMAGES = 4096

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
#: The labels that rows do not have, by the number of the row.
Excluded = Mapping[int, Collection[int]]
Columns = npt.NDArray[np.float64]


def surest(chances: Shares, sizes: Numbers) -> Numbers:
    """The places of the surest stacks, as many as have images of which RIGHT are right."""
    order = np.argsort(-chances, kind="stable")
    means = np.cumsum(chances[order] * sizes[order]) / np.cumsum(sizes[order])
    return order[: int(np.searchsorted(-means, -RIGHT, side="right"))]


class Judged(NamedTuple):
    """What a person has said of rows [n]."""

    named: Flags  #: which labels are theirs
    times: Numbers  #: how many rows each one counts for
    denied: Flags  #: which guesses about the others are wrong


def denied(decided: Labels, excluded: Excluded, fitted: Fitted) -> Flags:
    """Of rows [n], which are not decided and do not have the label that the head guesses."""
    return _excludes(excluded, fitted.guesses) & (decided < 0)


def judged(decided: Labels, excluded: Excluded, by_chance: Flags, fitted: Fitted) -> Judged:
    """What was said of rows [n] about which the head has these guesses. Of those that were clicked
    away some came back, drawn by chance: each counts for as many as did not, of those about whose
    guess nothing is known."""
    away = np.zeros(len(decided), bool)
    away[list(excluded)] = True
    back = away & (decided >= 0) & ~by_chance & ~_excludes(excluded, fitted.out_of_fold)
    wrong = denied(decided, excluded, fitted)
    times = np.ones(len(decided), np.int64)
    if back.any():
        waiting = away & (decided < 0) & ~wrong
        times[back] = round((back.sum() + waiting.sum()) / back.sum())
    return Judged(decided >= 0, times, wrong)


def _excludes(excluded: Excluded, guesses: Labels) -> Flags:
    """Of rows [n], which do not have the label beside them."""
    found = np.zeros(len(guesses), bool)
    for row, labels in excluded.items():
        found[row] = guesses[row] in labels
    return found


def chances(
    rows: Features, labels: Labels, judged: Judged, groups: Numbers, fitted: Fitted
) -> Shares:
    """How likely each guess [n] is right; 0 where nothing shows it. The head has learned from the
    rows with a label of 0 or more."""
    named = judged.named
    shares = np.zeros(len(rows), np.float32)
    if named.sum() < LEAST_LABELLED or _new_labels(labels[named], groups[named]) > MOST_NEW:
        return shares
    known = np.flatnonzero(labels >= 0)
    learned, given = rows[known], labels[known]
    by_image, by_group = (
        _out_of_fold(learned, given, of % FOLDS, fitted)
        for of in (np.arange(len(known)), groups[known])
    )
    evidence = _evidence(learned, given, rows, fitted.guesses, fitted.confidences)
    wrong = evidence[judged.denied]
    seen, right = [wrong] * 2, [np.zeros(len(wrong), bool)] * 2
    for guessed in (by_image, by_group):
        some = np.flatnonzero(named[known] & (guessed.guesses >= 0))
        some = np.repeat(some, judged.times[known][some])
        seen.append(guessed.evidence[some])
        right.append((guessed.guesses == given)[some])
    trust = _Trust(np.concatenate(seen), np.concatenate(right))
    shares[:] = trust(evidence)
    same = by_image.guesses == fitted.guesses[known]
    shares[known] = np.where(same, trust(by_image.evidence), 0)
    counts = np.bincount(given, minlength=len(fitted.head.bias))
    shares[judged.denied | (counts[fitted.guesses] < LEAST_OF_LABEL)] = 0
    return shares


def _new_labels(labels: Labels, groups: Numbers) -> float:
    """How often another group would have a label that none has had so far: as often as a group has
    one that no other has (Good, "The population frequencies of species", 1953)."""
    pairs = np.unique(np.stack([labels, groups]), axis=1)
    once = np.bincount(pairs[0]) == 1
    return float(once.sum() / len(np.unique(groups)))


class _Guessed(NamedTuple):
    guesses: Labels  #: [n]; -1: by no head
    evidence: Columns  #: [n, 4]


def _out_of_fold(rows: Features, labels: Labels, folds: Labels, fitted: Fitted) -> _Guessed:
    """What heads take each row [n, k] for that have not learned from its fold."""
    guessed = _Guessed(np.full(len(rows), -1), np.zeros((len(rows), 4)))
    for fold in np.unique(folds):
        out = folds == fold
        learned, given = rows[~out], labels[~out]
        if len(np.unique(given)) < 2:
            continue
        (head,) = heads(learned, given, len(fitted.head.bias), [fitted.shrinkage])
        answers = probabilities(head.logits(rows[out]), fitted.temperature)
        guessed.guesses[out] = guesses = answers.argmax(1)
        guessed.evidence[out] = _evidence(learned, given, rows[out], guesses, answers.max(1))
    return guessed


def _evidence(
    learned: Features, given: Labels, rows: Features, guesses: Labels, confidences: Shares
) -> Columns:
    """What shows whether guesses about rows are right, by columns: the confidence, how near the
    centre of the guessed label is beside that of any other, how near by itself, and how many images
    have the label."""
    present, of = np.unique(given, return_inverse=True)
    centres = np.stack([learned[of == place].mean(0) for place in range(len(present))])
    scale = _whitening(learned - centres[of])
    centres, places = centres @ scale, np.searchsorted(present, guesses)
    own, other = np.empty(len(rows)), np.empty(len(rows))
    for start in range(0, len(rows), BLOCK_IMAGES):
        block = slice(start, start + BLOCK_IMAGES)
        apart = _distances(rows[block] @ scale, centres)
        guessed = np.arange(len(apart)), places[block]
        own[block] = apart[guessed]
        apart[guessed] = np.inf
        other[block] = apart.min(1)
    wrong = np.maximum(1 - confidences.astype(np.float64), SMALLEST)
    nearer = np.log(np.maximum(own, SMALLEST) / np.maximum(other, SMALLEST))
    confident = np.log(np.maximum(confidences, SMALLEST) / wrong)
    return np.stack([confident, nearer, own, np.log(np.bincount(of)[places])], 1)


def _whitening(rows: Features) -> Features:
    """What rows [n, k] about 0 are multiplied with so that their shrunk covariance becomes 1."""
    covariance = (rows.T @ rows).astype(np.float64) / len(rows)
    variance = max(float(np.trace(covariance)) / len(covariance), SMALLEST)
    covariance *= 1 - SHRINKAGE
    covariance[np.diag_indices_from(covariance)] += SHRINKAGE * variance
    return np.linalg.inv(np.linalg.cholesky(covariance)).T.astype(np.float32)


def _distances(rows: Features, centres: Features) -> Features:
    """[n, centres]."""
    lengths = np.square(rows).sum(1)[:, None] + np.square(centres).sum(1)
    distances: Features = np.sqrt(np.maximum(lengths - 2 * rows @ centres.T, 0))
    return distances


class _Trust:
    """How likely guesses are right by their evidence: logistic regression, whose own uncertainty
    brings chances nearer to a half (MacKay, "The evidence framework applied to classification
    networks", 1992)."""

    def __init__(self, evidence: Columns, right: npt.NDArray[np.bool_]) -> None:
        self._mean, self._deviation = evidence.mean(0), evidence.std(0)
        columns, images = self._standardized(evidence), len(evidence) / 2  # each is judged twice
        penalty = 2 * PENALTY / images
        (self._head,) = linear_head.fit_regression(columns, right.astype(np.int64), 2, [penalty])
        shares = softmax(self._head.logits(columns))[:, 1]
        sides = _with_bias(columns)
        curvature = sides.T @ (sides * (shares * (1 - shares) / 2)[:, None])
        curvature += np.diag([SMALLEST] + [PENALTY] * columns.shape[1])
        self._covariance = np.linalg.inv(curvature)

    def __call__(self, evidence: Columns) -> Shares:
        columns = self._standardized(evidence)
        sides = _with_bias(columns)
        variances = np.einsum("ij,jk,ik->i", sides, self._covariance, sides)
        logits = self._head.logits(columns) / np.sqrt(1 + np.pi * variances / 8)[:, None]
        return softmax(logits)[:, 1].astype(np.float32)

    def _standardized(self, evidence: Columns) -> Features:
        """With a deviation of 1; a column that is the same for all says nothing."""
        varies = self._deviation > SMALLEST
        apart = np.where(varies, evidence - self._mean, 0)
        return (apart / np.where(varies, self._deviation, 1)).astype(np.float32)


def _with_bias(columns: Features) -> Columns:
    return np.concatenate([np.ones((len(columns), 1)), columns], 1)
