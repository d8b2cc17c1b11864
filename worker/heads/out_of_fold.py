"""Fits a head and measures it on answers to images that each fold's head did not learn from; and
heads behind two backbones, the second of which looks again where the first is unsure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.evaluation import calibration
from worker.evaluation.calibration import SecondPass, log_loss, temperature
from worker.heads import linear_head
from worker.heads.linear_head import Features, Labels
from worker.heads.near_duplicates import Folds, Groups
from worker.runtimes.heads import Head
from worker.runtimes.runtime import Logits

#: Factors of half the squared weights, largest first. Between them accuracy changes by less than a
#: point, from 5 images a class to 3,000 in all; smaller ones change nothing.
PENALTIES = (0.1, 0.01, 0.001)
#: Shares of the covariance that are replaced; the first ones are for a few images of each class.
SHRINKAGES = (0.9, 0.7, 0.5, 0.3, 0.15)

Chosen = npt.NDArray[np.bool_]  #: [n], whether an image is learned from
#: Heads for some values of a parameter, from features [n, features] and labels [n].
Method = Callable[[Features, Labels, Sequence[float]], list[Head]]


class OutOfFold(NamedTuple):
    """A head that learned from all images, and how heads that did not know an image label it. Both
    are divided by the temperature of the answers."""

    head: Head
    logits: Logits  #: [n, classes], of each image by its fold's head
    accuracy: float
    error: float  #: standard error of the accuracy
    mirrored: bool  #: whether the head learned from mirror images as well


class _Tried(NamedTuple):
    """A method with the best of its values."""

    method: Method
    value: float
    logits: Logits  #: out of fold
    temperature: float
    loss: float

    @property
    def cooled(self) -> Logits:
        return self.logits / np.float32(self.temperature)


class _Images(NamedTuple):
    """What heads learn from: views of the same images, the first of which is answered."""

    views: list[Features]
    labels: Labels
    classes: int
    folds: Folds
    on_answered: Callable[[], None]  #: called after each fold

    def heads(self, chosen: Chosen, method: Method, values: Sequence[float]) -> list[Head]:
        rows = np.concatenate([view[chosen] for view in self.views])
        return method(rows, np.tile(self.labels[chosen], len(self.views)), values)

    def best(self, method: Method, values: Sequence[float]) -> _Tried:
        """The value whose answers out of fold have the smallest loss."""
        tried = np.zeros((len(values), len(self.labels), self.classes), np.float32)
        for fold in np.unique(self.folds):
            out = self.folds == fold
            for number, head in enumerate(self.heads(~out, method, values)):
                tried[number, out] = head.logits(self.views[0][out])
            self.on_answered()
        judged = [self._judged(method, *pair) for pair in zip(values, tried, strict=True)]
        return min(judged, key=lambda pair: pair.loss)

    def _judged(self, method: Method, value: float, logits: Logits) -> _Tried:
        cooling = temperature(logits, self.labels)
        return _Tried(
            method, value, logits, cooling, log_loss(logits / np.float32(cooling), self.labels)
        )

    def cooled_head(self, tried: _Tried) -> Head:
        """The head that learned from all images, with logits of ordinary size."""
        (head,) = self.heads(np.full(len(self.labels), True), tried.method, [tried.value])
        cooling = np.float32(tried.temperature)
        return Head(head.weights / cooling, head.bias / cooling)


def fit_out_of_fold(
    features: Features,
    labels: Labels,
    classes: int,
    folds: Folds,
    groups: Groups,
    *,
    mirrored: Features | None = None,
    weighted: bool = False,
    on_fold: Callable[[int, int], None] = lambda done, total: None,
    on_last: Callable[[], None] = lambda: None,
) -> OutOfFold:
    """Choose a head by the loss of its answers out of fold, then learn from all images.

    It is softmax regression, discriminant analysis, or the sum of both, each divided by its own
    temperature: logits of discriminant analysis are in the hundreds to millions. `folds` and
    `groups` [n] number each image's fold and its group of near-duplicates. `mirrored`
    [n, features] are the features of the mirror images. They are learned from as well if that
    lowers the loss of softmax regression; answers are always to the images as they are. `weighted`:
    as in `fit_regression`. `on_fold` gets the number of folds that are answered, those of all
    methods, and `on_last` is called before the head learns from all images; both may raise to stop.
    """

    def regression(rows: Features, labels: Labels, values: Sequence[float]) -> list[Head]:
        return linear_head.fit_regression(rows, labels, classes, values, weighted=weighted)

    def analysis(rows: Features, labels: Labels, values: Sequence[float]) -> list[Head]:
        return linear_head.fit_discriminant(rows, labels, classes, values)

    methods = 2 + (mirrored is not None)
    total, answered = methods * len(np.unique(folds)), itertools.count(1)
    images = _Images([features], labels, classes, folds, lambda: on_fold(next(answered), total))
    first = images.best(regression, PENALTIES)
    if mirrored is not None:
        images, first = _with_mirrored(images, first, mirrored)
    second = images.best(analysis, SHRINKAGES)
    on_last()
    head, logits = _combined(images, first, second)
    right = logits.argmax(1) == labels
    cooling = np.float32(temperature(logits, labels))
    return OutOfFold(
        head=Head(head.weights / cooling, head.bias / cooling),
        logits=logits / cooling,
        accuracy=float(right.mean()),
        error=standard_error(right, groups),
        mirrored=len(images.views) > 1,
    )


def _with_mirrored(images: _Images, first: _Tried, mirrored: Features) -> tuple[_Images, _Tried]:
    """The images with their mirror images, and the method on both, if that lowers its loss."""
    both = images._replace(views=[*images.views, mirrored])
    augmented = both.best(first.method, [first.value])
    return (both, augmented) if augmented.loss < first.loss else (images, first)


def _combined(images: _Images, first: _Tried, second: _Tried) -> tuple[Head, Logits]:
    """The best of two methods, softmax regression and discriminant analysis, and their sum: the
    head, and its answers out of fold."""
    logits = first.cooled + second.cooled
    loss = log_loss(logits / np.float32(temperature(logits, images.labels)), images.labels)
    if first.loss <= min(loss, second.loss):
        return images.cooled_head(first), first.cooled
    if second.loss <= loss:
        return images.cooled_head(second), second.cooled
    of_first, of_second = images.cooled_head(first), images.cooled_head(second)
    return Head(of_first.weights + of_second.weights, of_first.bias + of_second.bias), logits


def standard_error(right: npt.NDArray[np.bool_], groups: Groups) -> float:
    """The standard error of an accuracy, from answers [n]: those of one group are not independent.

    If all groups have the same accuracy, the answers show no error. So the least is that of one
    right answer for each group, to which a right and a wrong one are added.
    """
    rights = right.astype(np.float64)
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], rights - rights.mean())
    count = len(sums)
    least = math.sqrt((count + 1) / count) / (count + 2)
    return max(least, float(math.sqrt((sums * sums).sum()) / len(rights)))


class FittedLooks(NamedTuple):
    """The heads that are served, and how heads that did not know an image answer it by the same
    rule."""

    heads: tuple[Head, ...]  #: each divided by its own temperature, so that the mean is of equals
    answers: SecondPass  #: out of fold: the margin, the share of second looks, and the logits
    temperature: float  #: of these logits
    error: float  #: standard error of their accuracy
    mirrored: bool  #: whether the first head learned from mirror images as well


def combined_looks(fits: Sequence[OutOfFold], labels: Labels, groups: Groups) -> FittedLooks:
    """The rule for looks that were fitted to the same images [n] in the same folds. A second look
    that helps nowhere is left out."""
    answers = calibration.choose_second_pass([fit.logits for fit in fits], labels)
    used = fits if answers.margin else fits[:1]
    return FittedLooks(
        tuple(fit.head for fit in used),
        answers,
        temperature(answers.logits, labels),
        standard_error(answers.logits.argmax(1) == labels, groups),
        fits[0].mirrored,
    )


def served_looks(fitted: FittedLooks, features: Sequence[Features]) -> Logits:
    """The logits [n, classes] of images with these features [n, ...] by each look, as a worker
    computes them."""
    looks = [head.served_logits(rows) for head, rows in zip(fitted.heads, features, strict=False)]
    return calibration.second_pass(looks, fitted.answers.margin).logits
