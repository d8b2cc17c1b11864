"""What the held-out figures of a version say that learned from a labels file: most of its images
were chosen to be labelled, and only those that chance drew are like those without a name."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from shared.labels.given_label import LEAST_DRAWN
from shared.labels.labelled_files import LabelledFile
from worker.evaluation.heldout_answers import HeldoutAnswers

CHOSEN = (
    "most of these images were labelled since they look alike or are in doubt, so the held-out "
    "figures are not those of all images"
)


def note(answers: HeldoutAnswers | None, labels: Iterable[LabelledFile]) -> str:
    """One line, with the share that is right of those that were drawn by chance, if they are
    enough."""
    drawn = {file.sha256 for file in labels if file.by_chance and file.label}
    right = _right(answers, drawn)
    if len(right) < LEAST_DRAWN:
        return f"{CHOSEN}; hangtag label has a figure from images drawn by chance"
    # As if one more had been right and one wrong: a few right ones prove no certainty.
    share = (sum(right) + 1) / (len(right) + 2)
    error = math.sqrt(share * (1 - share) / len(right))
    return (
        f"{CHOSEN}; of the {len(right)} that were drawn by chance, and so of those without a "
        f"name, {np.mean(right):.1%} are right (standard error {error:.1%})"
    )


def _right(answers: HeldoutAnswers | None, drawn: set[str]) -> list[bool]:
    """Whether each held-out image that was drawn is right."""
    if answers is None or answers.files is None:
        return []
    held = (bytes(digest).hex() for digest in answers.files)
    guesses = answers.logits.argmax(1) == answers.labels
    found = {sha256: bool(right) for sha256, right in zip(held, guesses, strict=True)}
    return [right for sha256, right in found.items() if sha256 in drawn]
