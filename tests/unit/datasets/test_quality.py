"""Notes on near-duplicates count the photos whose figures they change, not the scenes."""

from __future__ import annotations

from collections import Counter

import numpy as np

from worker.datasets import quality
from worker.datasets.examples import TEST, TRAINING


def _notes(scenes: list[int], labels: list[int], parts: list[int]) -> tuple[str, ...]:
    """The notes on photos of these scenes, in classes a and b."""
    return quality.notes(
        ("a", "b"), np.array(labels), np.array(parts, np.int8), np.array(scenes), Counter(),
        alike="near-duplicates", to_learn=True,
    )  # fmt: skip


def test_each_test_photo_of_a_burst_in_training_is_counted() -> None:
    scenes = [*[0] * 20, 1, *[0] * 15, 2]
    parts = [*[TRAINING] * 21, *[TEST] * 16]
    assert _notes(scenes, [*[0] * 20, 1, *[0] * 16], parts)[-1:] == (
        "15 images of test/ have near-duplicates in train/: figures of test/ are too good",
    )


def test_each_photo_of_a_burst_in_two_classes_is_counted() -> None:
    notes = _notes([0, 0, 0, 1, 2, 2], [0, 0, 1, 1, 0, 0], [TRAINING] * 6)
    assert notes == ("3 images have near-duplicates in another class",)
