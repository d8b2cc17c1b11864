"""Of labelled images, only those that chance drew are like those that nobody has named."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from shared.labels.given_label import LEAST_DRAWN
from shared.labels.labelled_files import LabelledFile
from worker.evaluation.chosen_images import CHOSEN, note
from worker.evaluation.heldout_answers import HeldoutAnswers

DRAWN, WRONG, OTHERS = 30, 3, 50


def label(image: int, by_chance: bool) -> LabelledFile:
    sha256 = hashlib.sha256(bytes([image])).hexdigest()
    return LabelledFile(sha256, 1, "Hat", b"", by_chance=by_chance)


def answers(wrong: int, copies: int = 0) -> HeldoutAnswers:
    """The first images were drawn; of those the first are wrong, and of the others none is right.
    Copies follow."""
    images = [*range(DRAWN + OTHERS), *range(copies)]
    digests = [hashlib.sha256(bytes([image])).digest() for image in images]
    right = np.array([wrong <= image < DRAWN for image in images])
    logits = np.stack([np.where(right, 1, -1), np.zeros(len(images))], axis=1)
    return HeldoutAnswers(
        np.arange(len(images), dtype=np.uint64), np.zeros(len(images), np.int64),
        logits.astype(np.float32),
        np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
    )  # fmt: skip


@pytest.mark.parametrize("copies", [0, 5])
def test_the_figure_is_of_drawn_images_alone_and_copies_count_once(copies: int) -> None:
    labels = [label(image, image < DRAWN) for image in range(DRAWN + OTHERS)]
    said = note(answers(WRONG, copies), labels)
    assert said.startswith(CHOSEN)
    assert "of the 30 that were drawn by chance" in said
    assert "90.0% are right (standard error 6.0%)" in said


def test_of_a_few_or_unknown_ones_nothing_is_said() -> None:
    few = [label(image, image < LEAST_DRAWN - 1) for image in range(DRAWN)]
    every = [label(image, True) for image in range(DRAWN)]
    assert "drawn by chance, and" not in note(answers(0), few)
    assert "drawn by chance, and" not in note(None, every)
    assert "100.0% are right (standard error 3.2%)" in note(answers(0), every)
