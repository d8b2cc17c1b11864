"""What a head takes each image for, after it has learned from those that a person has labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.evaluation.calibration import log_loss, temperature
from worker.heads import linear_head
from worker.heads.linear_head import Features, Labels
from worker.runtimes.heads import Head
from worker.runtimes.runtime import Logits, probabilities

#: For a few images of each class, and for many.
SHRINKAGES = (0.7, 0.5, 0.3, 0.15)
#: Components count more than they vary. As they are (1), heads of 120 photos by chance were right 1
#: to 2 points less often, of 10 kinds and of 44; standardized (0), 20 points less often.
POWER = 1.5
#: With half as many folds, heads that have not learned from an image knew so much less that they
#: were right 3 points less often than the one that is used, of 500 to 1,000 labelled images.
FOLDS, FOLDS_OF_MANY, MANY = 10, 5, 1_500
#: With fewer labelled images there is nothing to choose a shrinkage and a temperature by.
LEAST_TO_MEASURE = 10
#: Until then: logits of discriminant analysis are in the hundreds.
FIRST_SHRINKAGE, FIRST_TEMPERATURE = 0.5, 60.0

Shares = npt.NDArray[np.float32]


class Unlearned(NamedTuple):
    """Of labelled images, guesses of heads that did not learn from them [n]; -1: of none."""

    guesses: Labels
    confidences: npt.NDArray[np.float64]


class Fitted(NamedTuple):
    """The guess for each image [n], and its confidence."""

    guesses: Labels
    confidences: Shares
    #: For labelled images, guesses of heads that did not learn from them; -1 for others, and for
    #: all as long as there are too few.
    out_of_fold: Labels
    #: The confidences of these guesses; 0 where there is none.
    expected: Shares
    head: Head
    shrinkage: float
    temperature: float

    def chances(self, rows: Features, labels: Labels) -> Shares:
        """How likely each row [n, k] has the label [n] beside it."""
        of_each = probabilities(self.head.logits(rows), self.temperature)
        known = labels < of_each.shape[1]
        chances = of_each[np.arange(len(rows)), np.where(known, labels, 0)]
        return np.where(known, chances, 0).astype(np.float32)

    def without(self, rows: Features, excluded: Mapping[int, Sequence[int]]) -> Fitted:
        """With the best guess for each of these rows that is none of the labels beside it."""
        guesses, confidences = self.guesses.copy(), self.confidences.copy()
        stacks = list(excluded)
        shares = self._shares(rows[stacks], list(excluded.values()))
        if len(stacks):
            guesses[stacks], confidences[stacks] = shares.argmax(1), shares.max(1)
        return self._replace(guesses=guesses, confidences=confidences)

    def best(self, rows: Features, excluded: Sequence[Sequence[int]], most: int) -> list[list[int]]:
        """The most likely labels of each row, none of those that it does not have."""
        shares = self._shares(rows, excluded)
        order = np.argsort(-shares, axis=1, kind="stable")[:, :most]
        return [
            [label for label in labels if share[label] > 0]
            for labels, share in zip(order.tolist(), shares, strict=True)
        ]

    def _shares(self, rows: Features, excluded: Sequence[Sequence[int]]) -> Shares:
        """How likely each row has each label, 0 of those that it does not have; of classes without
        an image, too."""
        logits = self.head.logits(rows)
        for row, labels in zip(logits, excluded, strict=True):
            row[[label for label in labels if label < logits.shape[1]]] = -np.inf
        shares = np.zeros(logits.shape, np.float32)
        some = np.isfinite(logits).any(1)  # the others have none of the labels
        shares[some] = probabilities(logits[some], self.temperature)
        return shares

    def unlearned(self, rows: Features, labels: Labels, some: Labels) -> Unlearned:
        """What heads take some of the rows [n, k] for that have learned from all other labels but a
        tenth of these. The answers out of fold are of heads that lack a tenth of all labels."""
        unlearned = Unlearned(np.full(len(some), -1), np.zeros(len(some)))
        for fold in range(FOLDS):
            out = np.arange(fold, len(some), FOLDS)
            known = np.flatnonzero(labels >= 0)
            known = known[~np.isin(known, some[out])]
            if not len(out) or len(np.unique(labels[known])) < 2:
                continue
            classes = len(self.head.bias)
            (head,) = heads(rows[known], labels[known], classes, [self.shrinkage])
            answers = probabilities(head.logits(rows[some[out]]), self.temperature)
            unlearned.guesses[out], unlearned.confidences[out] = answers.argmax(1), answers.max(1)
        return unlearned

    def blind(self, images: npt.NDArray[np.bool_]) -> Fitted:
        """With the guesses out of fold of these labelled images [n], as if the head that is used
        had not learned from them either."""
        blind = images & (self.out_of_fold >= 0)
        return self._replace(
            guesses=np.where(blind, self.out_of_fold, self.guesses),
            confidences=np.where(blind, self.expected, self.confidences),
        )


def fit(rows: Features, labels: Labels, classes: int) -> Fitted:
    """Learn from the rows [n, k] with a label [n] of 0 or more, two different ones at least."""
    known = np.flatnonzero(labels >= 0)
    learned, given = rows[known], labels[known]
    out_of_fold, expected = np.full(len(rows), -1, np.int64), np.zeros(len(rows), np.float32)
    shrinkage, cooling = FIRST_SHRINKAGE, FIRST_TEMPERATURE
    if len(known) >= LEAST_TO_MEASURE:
        shrinkage, cooling, logits = _measured(
            learned, given, classes, known % (FOLDS if len(known) < MANY else FOLDS_OF_MANY)
        )
        out_of_fold[known] = logits.argmax(1)
        expected[known] = probabilities(logits, cooling).max(1)
    (head,) = heads(learned, given, classes, [shrinkage])
    answers = probabilities(head.logits(rows), cooling)
    confidences = answers.max(1).astype(np.float32)
    return Fitted(answers.argmax(1), confidences, out_of_fold, expected, head, shrinkage, cooling)


def heads(rows: Features, labels: Labels, classes: int, shrinkages: Sequence[float]) -> list[Head]:
    """Of principal components."""
    return linear_head.fit_discriminant(rows, labels, classes, shrinkages, power=POWER)


def _measured(
    rows: Features, labels: Labels, classes: int, folds: Labels
) -> tuple[float, float, Logits]:
    """The shrinkage whose answers out of fold have the smallest loss, its temperature, and these
    answers.

    An image whose label its fold's head has not seen is no measure of the head that is used, which
    knows the label: with many kinds of one image each, confidences would be far too low.
    """
    tried = np.zeros((len(SHRINKAGES), len(rows), classes), np.float32)
    known = np.zeros(len(rows), bool)
    for fold in np.unique(folds):
        out = folds == fold
        if out.all():
            continue
        known[out] = np.isin(labels[out], labels[~out])
        fitted = heads(rows[~out], labels[~out], classes, SHRINKAGES)
        for logits, head in zip(tried, fitted, strict=True):
            logits[out] = head.logits(rows[out])
    if known.sum() < LEAST_TO_MEASURE:
        return FIRST_SHRINKAGE, FIRST_TEMPERATURE, tried[SHRINKAGES.index(FIRST_SHRINKAGE)]
    coolings = [temperature(logits[known], labels[known]) for logits in tried]
    losses = [
        log_loss(logits[known] / np.float32(cooling), labels[known])
        for cooling, logits in zip(coolings, tried, strict=True)
    ]
    best = int(np.argmin(losses))
    return SHRINKAGES[best], coolings[best], tried[best]
