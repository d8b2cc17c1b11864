"""Chooses the precision of a version: int8, unless it is measurably worse on held-out images."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from shared.messages.model_card import PrecisionTrial
from worker.datasets.examples import Labels
from worker.evaluation.temperature import log_loss, temperature
from worker.runtimes.runtime import Logits

Requested = Literal["auto", "fp32", "int8"]
#: Accuracy that int8 may lose, beside one standard error of the paired difference.
ACCURACY_ALLOWED = 0.002
#: Nats per image that it may lose: a quantized softmax can be right and yet unable to rank.
LOSS_ALLOWED = 0.02

UNKNOWN = "without labelled images the accuracy of int8 is unknown"
REQUESTED = "as requested"


class PrecisionChoice(NamedTuple):
    precision: Literal["fp32", "int8"]
    why: str  #: one sentence


def compare(fp32: Logits, int8: Logits, labels: Labels) -> PrecisionTrial:
    """Compare both on the same held-out images: logits [n, classes], true labels int64 [n]."""
    predicted = fp32.argmax(1), int8.argmax(1)
    right = [(one == labels).astype(np.float64) for one in predicted]
    losses = [log_loss(one / temperature(one, labels), labels) for one in (fp32, int8)]
    return PrecisionTrial(
        count=len(labels),
        fp32_accuracy=float(right[0].mean()),
        int8_accuracy=float(right[1].mean()),
        fp32_loss=losses[0],
        int8_loss=losses[1],
        differ=float((predicted[0] != predicted[1]).mean()),
        error=float((right[0] - right[1]).std() / np.sqrt(len(labels))),
    )


def choose(requested: Requested, trial: PrecisionTrial) -> PrecisionChoice:
    """The precision that is served."""
    if requested != "auto":
        return PrecisionChoice(requested, REQUESTED)
    worse, allowed = trial.fp32_accuracy - trial.int8_accuracy, ACCURACY_ALLOWED + trial.error
    is_worse = worse > allowed or trial.int8_loss - trial.fp32_loss > LOSS_ALLOWED
    return PrecisionChoice(
        "fp32" if is_worse else "int8",
        f"on {trial.count:,} held-out images int8 changes the accuracy by {100 * (0 - worse):+.2f} "
        f"points (-{100 * allowed:.2f} allowed) and the loss by "
        f"{trial.int8_loss - trial.fp32_loss:+.4f} nats ({LOSS_ALLOWED:+} allowed)",
    )
