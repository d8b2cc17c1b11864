"""Heads behind one backbone or two, the second of which looks again where the first is unsure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from worker.evaluation import second_pass
from worker.evaluation.second_pass import Passes, SecondPass
from worker.evaluation.temperature import temperature
from worker.photo_head.linear_head import Features, Labels
from worker.photo_head.near_duplicates import Groups
from worker.photo_head.out_of_fold import OutOfFold, standard_error
from worker.runtimes.heads import Head
from worker.runtimes.runtime import Logits


class FittedLooks(NamedTuple):
    """The heads that are served, and how heads that did not know an image answer it by the same
    rule."""

    heads: tuple[Head, ...]  #: each divided by its own temperature, so that the mean is of equals
    answers: SecondPass  #: out of fold: the margin, the share of second looks, and the logits
    temperature: float  #: of these logits
    error: float  #: standard error of their accuracy
    mirrored: bool  #: whether the first head learned from mirror images as well


def combined(fits: Sequence[OutOfFold], labels: Labels, groups: Groups) -> FittedLooks:
    """The rule for looks that were fitted to the same images [n] in the same folds. A second look
    that helps nowhere is left out."""
    answers = second_pass.choose(_passes([_cooled(fit.logits, fit) for fit in fits]), labels)
    used = fits if answers.margin else fits[:1]
    return FittedLooks(
        tuple(Head(_cooled(fit.head.weights, fit), _cooled(fit.head.bias, fit)) for fit in used),
        answers,
        temperature(answers.logits, labels),
        standard_error(answers.logits.argmax(1) == labels, groups),
        fits[0].mirrored,
    )


def served(fitted: FittedLooks, features: Sequence[Features]) -> Logits:
    """The logits [n, classes] of images with these features [n, ...] by each look, as a worker
    computes them."""
    looks = [head.served_logits(rows) for head, rows in zip(fitted.heads, features, strict=False)]
    return second_pass.apply(_passes(looks), fitted.answers.margin).logits


def _passes(looks: Sequence[Logits]) -> Passes:
    return Passes(looks[0], looks[1] if len(looks) > 1 else None)


def _cooled(values: Logits, fit: OutOfFold) -> Logits:
    return values / np.float32(fit.temperature)
