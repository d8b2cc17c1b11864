"""Labels are doubted where they are wrong, not where images are hard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.heads.wrong_labels import WrongLabels, wrong_labels

IMAGES, CLASSES, PLANTED = 2000, 8, 0.05
#: Standard deviation of the logits: of the hard set a sixth of the images is answered wrong.
SPREADS = {"easy": 8.0, "hard": 6.0}
CLEAN_AT_MOST, WRONG_AT_LEAST, FOUND_AT_LEAST = 0.01, 0.5, 0.6
seeds = st.integers(0, 2**32 - 1)


def _answers(seed: int, spread: float, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits [n, classes] at another temperature, the labels, and which are wrong. Labels are drawn
    from the answers, so without wrong ones the answers are calibrated."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(IMAGES, CLASSES)) * spread
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(1)
    wrong = np.arange(IMAGES) < round(share * IMAGES)
    labels[wrong] = (labels[wrong] + rng.integers(1, CLASSES, wrong.sum())) % CLASSES
    return (logits / 1.5).astype(np.float32), labels, wrong


def _listed(found: WrongLabels) -> np.ndarray:
    return found.probabilities >= 0.5


@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
@settings(max_examples=8)
@given(seed=seeds)
def test_planted_labels_are_listed_and_few_others(spread: float, seed: int) -> None:
    logits, labels, wrong = _answers(seed, spread, PLANTED)
    found = wrong_labels(logits, labels)
    listed = _listed(found)
    assert wrong[listed].mean() >= WRONG_AT_LEAST
    assert listed[wrong].mean() >= FOUND_AT_LEAST
    assert abs(found.probabilities[listed].mean() - wrong[listed].mean()) < 0.12
    assert abs(found.share - PLANTED) < 0.03


@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
@settings(max_examples=8)
@given(seed=seeds)
def test_of_right_labels_nearly_none_is_listed_however_hard_the_images_are(
    spread: float, seed: int
) -> None:
    logits, labels, _ = _answers(seed, spread, 0)
    assert _listed(wrong_labels(logits, labels)).mean() <= CLEAN_AT_MOST


@settings(max_examples=8)
@given(seed=seeds)
def test_a_label_is_doubted_more_the_less_its_image_is_like_its_class(seed: int) -> None:
    logits, labels, _ = _answers(seed, 3.0, PLANTED)
    found = wrong_labels(logits, labels)
    margins = logits[np.arange(IMAGES), labels] - np.where(
        np.eye(CLASSES, dtype=bool)[labels], -np.inf, logits
    ).max(1)
    listed = _listed(found)
    assert margins[listed].max(initial=-np.inf) < np.median(margins)
