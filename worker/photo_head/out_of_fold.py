"""Fits a head and measures it on answers to images that each fold's head did not learn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.evaluation.reliability import calibration_error
from worker.evaluation.temperature import log_loss, temperature
from worker.photo_head.folds import Folds
from worker.photo_head.linear_head import Features, Head, Labels, Logits, fit
from worker.photo_head.near_duplicates import Groups
from worker.runtimes.classifier import probabilities

#: Factors of half the squared weights, largest first. Between them accuracy changes by less than a
#: point, from 5 images a class to 3,000 in all; smaller ones change nothing.
PENALTIES = (0.1, 0.01, 0.001)


Chosen = npt.NDArray[np.bool_]  #: [n], whether an image is learned from


class OutOfFold(NamedTuple):
    """A head that learned from all images, and how heads that did not know an image label it."""

    head: Head
    penalty: float
    logits: Logits  #: [n, classes], before the temperature; each image by its fold's head
    temperature: float
    accuracy: float
    error: float  #: standard error of the accuracy
    ece: float  #: expected calibration error, after the temperature
    mirrored: bool  #: whether the head learned from mirror images as well


def fit_out_of_fold(
    features: Features,
    labels: Labels,
    classes: int,
    folds: Folds,
    groups: Groups,
    penalties: Sequence[float] = PENALTIES,
    *,
    mirrored: Features | None = None,
    weighted: bool = False,
) -> OutOfFold:
    """Choose the penalty by the loss of the answers out of fold, then learn from all images.

    `folds` and `groups` [n] number each image's fold and its group of near-duplicates. `mirrored`
    [n, features] are the features of the mirror images. They are learned from as well if that
    lowers the loss; answers are always to the images as they are.
    """

    def learned(
        chosen: Chosen, penalties: Sequence[float], views: Sequence[Features]
    ) -> list[Head]:
        rows = np.concatenate([view[chosen] for view in views])
        mine = np.tile(labels[chosen], len(views))
        return fit(rows, mine, classes, penalties, weighted=weighted)

    def answers(penalties: Sequence[float], views: Sequence[Features]) -> npt.NDArray[np.float32]:
        found = np.zeros((len(penalties), len(labels), classes), np.float32)
        for fold in np.unique(folds):
            out = folds == fold
            for number, head in enumerate(learned(~out, penalties, views)):
                found[number, out] = head.logits(features[out])
        return found

    views = [features]
    tried = answers(penalties, views)
    losses = [_loss(logits, labels) for logits in tried]
    best = int(np.argmin(losses))
    logits, penalty = tried[best], penalties[best]
    if mirrored is not None:
        (augmented,) = answers([penalty], [features, mirrored])
        if _loss(augmented, labels) < losses[best]:
            logits, views = augmented, [features, mirrored]
    (head,) = learned(np.full(len(labels), True), [penalty], views)
    cooling = temperature(logits, labels)
    right = logits.argmax(1) == labels
    return OutOfFold(
        head,
        penalty,
        logits,
        cooling,
        float(right.mean()),
        standard_error(right, groups),
        calibration_error(probabilities(logits, cooling), labels),
        len(views) > 1,
    )


def standard_error(values: npt.NDArray[np.generic], groups: Groups) -> float:
    """The standard error of the mean of values [n]: those of one group are not independent."""
    found = values.astype(np.float64)
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], found - found.mean())
    return float(math.sqrt((sums * sums).sum()) / len(found))


def _loss(logits: Logits, labels: Labels) -> float:
    return log_loss(logits / np.float32(temperature(logits, labels)), labels)
