"""Chooses the precision of a version: int8, unless it costs accuracy on the held-out images."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from shared.messages.model_card import PrecisionTrial
from worker.datasets.examples import Labels
from worker.runtimes.runtime import Logits

#: What people ask for.
Wish = Literal["auto", "fp32", "int8"]
#: Accuracy that int8 may lose, beside one standard error of the paired difference.
LOSS_ALLOWED = 0.002

UNKNOWN = "without labelled images the accuracy of int8 is unknown"
REQUESTED = "as requested"


class PrecisionChoice(NamedTuple):
    precision: Literal["fp32", "int8"]
    why: str  #: one sentence


def compare(fp32: Logits, int8: Logits, labels: Labels) -> PrecisionTrial:
    """Compare both on the same held-out images: logits [n, classes], true labels int64 [n]."""
    predicted = fp32.argmax(1), int8.argmax(1)
    right = [(one == labels).astype(np.float64) for one in predicted]
    count = len(labels)
    return PrecisionTrial(
        count=count,
        fp32_accuracy=float(right[0].mean()),
        int8_accuracy=float(right[1].mean()),
        differ=float((predicted[0] != predicted[1]).mean()),
        error=float((right[0] - right[1]).std() / np.sqrt(count)),
    )


def choose(wish: Wish, trial: PrecisionTrial) -> PrecisionChoice:
    """The precision that is served."""
    if wish != "auto":
        return PrecisionChoice(wish, REQUESTED)
    loss, allowed = trial.fp32_accuracy - trial.int8_accuracy, LOSS_ALLOWED + trial.error
    precision: Literal["fp32", "int8"] = "fp32" if loss > allowed else "int8"
    verdict = "more than" if loss > allowed else "within"
    return PrecisionChoice(
        precision,
        f"int8 changes the accuracy on {trial.count:,} held-out images by {100 * (0 - loss):+.2f} "
        f"points, {verdict} the {100 * allowed:.2f} that it may lose",
    )
