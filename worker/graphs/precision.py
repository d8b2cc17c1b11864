"""Chooses the precision of a version: int8, unless it is measurably worse on held-out images."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from shared.messages.model_card import PrecisionTrial
from worker.datasets.examples import Labels
from worker.evaluation.calibration import log_losses, temperature
from worker.runtimes.runtime import Logits

Requested = Literal["auto", "fp32", "int8"]
#: Accuracy that int8 may lose, beside one standard error of the paired difference.
ACCURACY_ALLOWED = 0.002
#: Nats per image that it may lose, beside one standard error: a quantized softmax can be right and
#: yet unable to rank.
LOSS_ALLOWED = 0.02

UNKNOWN = "without labelled images the accuracy of int8 is unknown"
REQUESTED = "as requested"


class PrecisionChoice(NamedTuple):
    precision: Literal["fp32", "int8"]
    why: str  #: one sentence


def compare(fp32: Logits, int8: Logits, labels: Labels) -> PrecisionTrial:
    """Compare both on the same held-out images: logits [n, classes], true labels int64 [n]."""
    predicted = fp32.argmax(1), int8.argmax(1)
    right = [(logits == labels).astype(np.float64) for logits in predicted]
    losses = [log_losses(logits / temperature(logits, labels), labels) for logits in (fp32, int8)]
    root = np.sqrt(len(labels))
    return PrecisionTrial(
        count=len(labels),
        fp32_accuracy=float(right[0].mean()),
        int8_accuracy=float(right[1].mean()),
        fp32_loss=float(losses[0].mean()),
        int8_loss=float(losses[1].mean()),
        differ=float((predicted[0] != predicted[1]).mean()),
        error=float((right[0] - right[1]).std() / root),
        loss_error=float((losses[0] - losses[1]).std() / root),
    )


def choose(requested: Requested, trial: PrecisionTrial) -> PrecisionChoice:
    """The precision that is served."""
    if requested != "auto":
        return PrecisionChoice(requested, REQUESTED)
    worse, allowed = trial.fp32_accuracy - trial.int8_accuracy, ACCURACY_ALLOWED + trial.error
    more, loss_allowed = trial.int8_loss - trial.fp32_loss, LOSS_ALLOWED + trial.loss_error
    is_worse = worse > allowed or more > loss_allowed
    return PrecisionChoice(
        "fp32" if is_worse else "int8",
        f"on {trial.count:,} held-out images int8 changes the accuracy by {100 * (0 - worse):+.2f} "
        f"points (-{100 * allowed:.2f} allowed) and the loss by "
        f"{more:+.4f} nats ({loss_allowed:+.4f} allowed)",
    )
