"""What is right of the images that no person has named, from some that chance drew: the one method
of the label page, a version's card and a report.

The answers about these images are known, so their mean confidence is corrected by how much oftener
or more rarely the drawn ones were right than their confidences say. Images in doubt, which are
named since they are in doubt, do not matter then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.labels.class_folders import folder_of
from shared.labels.label_line import LabelLine
from shared.messages.model_card import Card
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.runtimes.runtime import probabilities

#: With fewer no share is stated: heads of so few labels that have not learned from a tenth of them
#: know much less than the one that is used.
LEAST_DRAWN = 24
#: Standard errors of a range that holds in nine of ten cases.
NINE_OF_TEN = 1.645

Floats = npt.NDArray[np.float64]


class Sample(NamedTuple):
    """Images that chance drew [n], judged by answers that have not learned from them."""

    right: npt.NDArray[np.bool_]
    confidences: Floats


class Share(NamedTuple):
    """The share of the other images that is right, and its 90 % range."""

    drawn: int
    share: float
    low: float
    high: float


def drawn(answers: HeldoutAnswers, card: Card, labels: Iterable[LabelLine]) -> Sample:
    """The held-out answers of a version about the images that chance drew, each file once. Those
    that a person has left out, or whose label the version has not learned, are wrong; their
    confidence is that of the others."""
    names = {folder_of(label) for label in card.labels}
    by_chance = [
        line
        for line in labels
        if line.by_chance and not line.undo and line.kind in ("label", "left-out")
    ]
    named = [file.sha256 for file in by_chance if folder_of(file.label) in names]
    wrong = len(by_chance) - len(named)
    digests = answers.files if answers.files is not None else ()
    places = {bytes(digest).hex(): place for place, digest in enumerate(digests)}
    some = [places[sha256] for sha256 in named if sha256 in places]
    shares = probabilities(answers.logits[some], card.temperature).astype(np.float64)
    confidences = shares.max(1, initial=0)
    mean = confidences.mean() if len(some) else 0.0
    return Sample(
        np.append(shares.argmax(1) == answers.labels[some], np.zeros(wrong, bool)),
        np.append(confidences, np.full(wrong, mean)),
    )


def share_right(sample: Sample, others: Floats, weights: npt.ArrayLike = 1.0) -> Share | None:
    """The share of images whose answers have these confidences [m], with a weight each; None if too
    few were drawn, or there are no others."""
    drawn = len(sample.right)
    if drawn < LEAST_DRAWN or not len(others):
        return None
    better = sample.right - sample.confidences
    share = float(np.average(others, weights=np.broadcast_to(weights, len(others)))) + better.mean()
    # A right and a wrong one beside those that were seen: a few right ones prove no certainty.
    mean = sample.confidences.mean()
    error = float(np.append(better, [1 - mean, -mean]).std()) / np.sqrt(drawn)
    error *= NINE_OF_TEN
    low, middle, high = np.clip([share - error, share, share + error], 0, 1)
    return Share(drawn, float(middle), float(low), float(high))
