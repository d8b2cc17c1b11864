"""The head is the minimum of its loss, and does not depend on the scale of the features."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.photo_head import linear_head
from worker.photo_head.linear_head import Features, Labels, fit_regression, minimize
from worker.runtimes.runtime import softmax

seeds = st.integers(0, 2**32 - 1)


def _blobs(
    rng: np.random.Generator, count: int, classes: int, features: int
) -> tuple[Features, Labels]:
    labels = np.arange(count) % classes
    centres = rng.normal(size=(classes, features))
    rows = centres[labels] + rng.normal(size=(count, features))
    return rows.astype(np.float32), labels.astype(np.int64)


@given(seeds, st.integers(1, 8))
def test_the_minimum_of_a_quadratic_is_found(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size))
    matrix = root @ root.T + np.eye(size)
    wanted = rng.normal(size=size)
    point, steps = minimize(
        lambda at: (float((at - wanted) @ matrix @ (at - wanted)) / 2, matrix @ (at - wanted)),
        np.zeros(size),
        tolerance=1e-6,
        max_steps=500,
    )
    assert steps < 500
    np.testing.assert_allclose(point, wanted, atol=1e-5)


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


def test_a_feature_that_hardly_varied_in_training_does_not_decide() -> None:
    rows, labels = _blobs(np.random.default_rng(9), 60, 3, 20)
    rows[:, 3] = 1e-3 * (labels == 0) + 1e-4 * rows[:, 3]
    (head,) = fit_regression(rows, labels, 3, [0.01])
    other = rows.copy()
    other[:, 3] = 0.2  # as large as a common feature, and 200 times as large as in training
    assert np.abs(head.logits(other) - head.logits(rows)).max() < 3


def test_a_constant_feature_is_ignored() -> None:
    rows, labels = _blobs(np.random.default_rng(4), 60, 3, 5)
    rows[:, 2] = 0.1
    (head,) = fit_regression(rows, labels, 3, [0.1])
    assert (head.weights[2] == 0).all()
    assert np.isfinite(head.logits(rows)).all()


def test_a_smaller_penalty_fits_the_training_images_better() -> None:
    rows, labels = _blobs(np.random.default_rng(5), 80, 4, 10)
    losses = [
        -np.log(softmax(head.logits(rows))[np.arange(80), labels]).mean()
        for head in fit_regression(rows, labels, 4, [1.0, 0.1, 0.01])
    ]
    assert losses == sorted(losses, reverse=True)


@given(seeds, st.integers(1, 3000), st.floats(-1e3, 1e3))
def test_the_deviation_of_blocks_is_that_of_all_rows(seed: int, count: int, offset: float) -> None:
    rows = (np.random.default_rng(seed).normal(size=(count, 3)) + offset).astype(np.float32)
    deviation = rows.std(0, dtype=np.float64)
    np.testing.assert_allclose(linear_head.deviation(rows), deviation, rtol=1e-10, atol=1e-12)
