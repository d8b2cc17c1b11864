"""Chooses which images are classified a second time: those whose best labels are close.

A second pass over every image halves the speed; most of what it gains comes from a few of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.datasets.examples import Labels
from worker.evaluation.temperature import log_loss, temperature
from worker.runtimes.classifier import margins, mean
from worker.runtimes.runtime import Logits

#: Shares of the images that are tried, smallest first.
SHARES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7)
#: A second pass over every image, where no smaller share is accurate enough.
ALWAYS = 1e30
#: Accuracy that may be given up beside a second pass over every image.
TOLERANCE = 0.0005
#: Part of the decrease of the loss that must remain. The accuracy alone would follow chance.
REMAINING = 2 / 3


class Passes(NamedTuple):
    """The logits of both passes over the same images; without the second there is one pass."""

    first: Logits
    second: Logits | None


class SecondPass(NamedTuple):
    """The margin below which an image gets a second pass, and the logits that follow."""

    margin: float
    share: float  #: of these images
    logits: Logits  #: [n, classes]


def choose(passes: Passes, labels: Labels) -> SecondPass:
    """The smallest share of second passes that is about as good as a second pass for all."""
    never, always = apply(passes, 0.0), apply(passes, ALWAYS)
    if passes.second is None or not len(labels):
        return never
    cooling = temperature(always.logits, labels)
    losses = [log_loss(judged.logits / cooling, labels) for judged in (never, always)]
    loss_allowed = losses[0] - REMAINING * (losses[0] - losses[1])
    right_wanted = _right(always.logits, labels) - TOLERANCE * len(labels)
    gaps = np.sort(margins(passes.first))
    for share in SHARES:
        tried = apply(passes, _margin_of(gaps, share))
        right, loss = _right(tried.logits, labels), log_loss(tried.logits / cooling, labels)
        if right >= right_wanted and loss <= loss_allowed:
            return tried
    return always


def apply(passes: Passes, margin: float) -> SecondPass:
    """The logits with a second pass for the images whose margin is below `margin`."""
    logits = passes.first.copy()
    again = margins(passes.first) < margin
    if passes.second is not None:
        logits[again] = mean(passes.first[again], passes.second[again])
    return SecondPass(margin, float(again.mean()) if len(again) else 0.0, logits)


def _margin_of(gaps: npt.NDArray[np.float32], share: float) -> float:
    """The margin below which this share of the sorted gaps lies; 0 for a share of 0."""
    return float(gaps[int(share * len(gaps))]) if share else 0.0


def _right(logits: Logits, labels: Labels) -> int:
    return int((logits.argmax(1) == labels).sum())
