"""The head is the minimum of its loss, and does not depend on the scale of the features."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.heads import linear_head
from worker.heads.linear_head import Features, Labels, fit_regression
from worker.runtimes.runtime import softmax

seeds = st.integers(0, 2**32 - 1)


def _blobs(
    rng: np.random.Generator, count: int, classes: int, features: int
) -> tuple[Features, Labels]:
    labels = np.arange(count) % classes
    centres = rng.normal(size=(classes, features))
    rows = centres[labels] + rng.normal(size=(count, features))
    return rows.astype(np.float32), labels.astype(np.int64)


@settings(max_examples=20)
@given(seeds, st.booleans())
def test_a_head_is_where_the_gradient_of_its_loss_vanishes(seed: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    rows, labels = _blobs(rng, 90, 3, 6)
    labels[:50] = 0  # unequal classes
    penalty = 0.02
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_head, "TOLERANCE", 1e-5)
        (head,) = fit_regression(rows, labels, 3, [penalty], weighted=weighted)
    deviation = rows.std(0, dtype=np.float64)
    deviation = np.sqrt(deviation**2 + (0.1 * np.median(deviation)) ** 2)
    standard = (rows - rows.mean(0, dtype=np.float64)) / deviation
    counts = np.bincount(labels, minlength=3)
    shares = (1 / (3 * counts) if weighted else np.full(3, 1 / 90))[labels]
    errors = (softmax(head.logits(rows)) - np.eye(3)[labels]) * shares[:, None]
    gradient = standard.T @ errors + penalty * head.weights * deviation[:, None]
    np.testing.assert_allclose(gradient, 0, atol=5e-5)
    np.testing.assert_allclose(errors.sum(0), 0, atol=5e-5)


@settings(max_examples=20)
@given(seeds)
def test_the_unit_of_the_features_and_their_offsets_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, labels = _blobs(rng, 60, 3, 5)
    scaled = 30 * rows + np.array([1, 100, 0, -30, 7], np.float32)
    (one,), (other,) = (fit_regression(each, labels, 3, [0.1]) for each in (rows, scaled))
    np.testing.assert_allclose(one.logits(rows), other.logits(scaled), atol=0.05)
