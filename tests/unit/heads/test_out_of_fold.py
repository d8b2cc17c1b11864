"""Out-of-fold answers: no image has a part in its own answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.evaluation.calibration import log_loss, temperature
from worker.heads import linear_head, out_of_fold
from worker.heads.linear_head import Features, Labels, fit_regression, standardization
from worker.heads.out_of_fold import fit_out_of_fold, standard_error
from worker.runtimes.runtime import Logits, probabilities

seeds = st.integers(0, 2**32 - 1)
#: Ten by day and fifty by night: each fits a head for each fold.
EXAMPLES = settings().max_examples // 4


def _blobs(rng: np.random.Generator, count: int, apart: float) -> tuple[Features, Labels]:
    labels = rng.integers(0, 3, count)
    rows = apart * rng.normal(size=(3, 8))[labels] + rng.normal(size=(count, 8))
    return rows.astype(np.float32), labels


@settings(max_examples=EXAMPLES)
@given(seeds, st.floats(0.2, 2.0))
@example(seed=0, apart=1.0)  # of regression
def test_of_both_methods_and_their_sum_that_of_the_smallest_loss_is_published(
    seed: int, apart: float
) -> None:
    rng = np.random.default_rng(seed)
    rows, labels = _blobs(rng, 90, apart)
    folds, groups = rng.permutation(90) % 5, np.arange(90)
    single, other = np.zeros((2, 90, 3), np.float32)
    for fold in range(5):
        out = folds == fold
        (head,) = fit_regression(rows[~out], labels[~out], 3, [0.05])
        single[out] = head.logits(rows[out])
        (head,) = linear_head.fit_discriminant(rows[~out], labels[~out], 3, [0.3])
        other[out] = head.logits(rows[out])
    cooled = [logits / np.float32(temperature(logits, labels)) for logits in (single, other)]
    losses = [_loss(logits, labels) for logits in (*cooled, cooled[0] + cooled[1])]
    with one_of_each(0.05, 0.3):
        found = fit_out_of_fold(rows, labels, 3, folds, groups)
    assert found.accuracy == (found.logits.argmax(1) == labels).mean()
    assert _loss(found.logits, labels) == pytest.approx(min(losses), rel=1e-5)
    assert temperature(found.logits, labels) == pytest.approx(1, rel=1e-4)
    parts = [(True, False), (False, True), (True, True)][int(np.argmin(losses))]
    heads = [
        fit_regression(rows, labels, 3, [0.05])[0],
        linear_head.fit_discriminant(rows, labels, 3, [0.3])[0],
    ]
    chosen = [number for number, is_part in enumerate(parts) if is_part]
    expected = sum(
        heads[number].logits(rows) / temperature((single, other)[number], labels)
        for number in chosen
    ) / temperature(np.sum([cooled[number] for number in chosen], axis=0), labels)
    np.testing.assert_allclose(found.head.logits(rows), expected, rtol=1e-3, atol=1e-3)


@settings(max_examples=EXAMPLES, deadline=None)
@given(seeds, st.sampled_from([1.0, 1e-2, 1e-4]), st.integers(0, 3))
def test_photos_of_a_fixed_camera_are_answered_with_logits_of_ordinary_size(
    seed: int, noise: float, wrong: int
) -> None:
    """With any common part of the classes, and any small difference in the photos of one."""
    rng = np.random.default_rng(seed)
    labels = np.arange(60) % 2
    rows = 5 + rng.normal(size=(2, 200))[labels] + noise * rng.normal(size=(60, 200))
    labels[:wrong] = 1 - labels[:wrong]
    found = fit_out_of_fold(
        rows.astype(np.float32), labels, 2, np.arange(60) // 2 % 5, np.arange(60)
    )
    assert np.abs(found.logits).max() < 1000
    if not wrong:  # sixty answers that are right do not prove certainty
        confidence = probabilities(found.logits, 1.0).max(1)
        assert confidence.mean() < 1 - 0.2 / 61


@settings(max_examples=EXAMPLES)
@given(seeds, st.integers(1, 40), st.floats(0.05, 1.0))
def test_discriminant_analysis_uses_the_shrunk_covariance_about_the_means(
    seed: int, features: int, shrinkage: float
) -> None:
    """More images than features, and fewer: the same formula."""
    rng = np.random.default_rng(seed)
    rows, labels = rng.normal(size=(24, features)).astype(np.float32), np.arange(24) % 3
    (found,) = linear_head.fit_discriminant(rows, labels, 3, [shrinkage])
    mean, scale = standardization(rows)
    each = ((rows - mean) * scale).astype(np.float64)
    centres = np.stack([each[labels == label].mean(0) for label in range(3)])
    errors = each - centres[labels]
    covariance = errors.T @ errors / 24
    identity = np.trace(covariance) / features * np.eye(features)
    weights = np.linalg.solve((1 - shrinkage) * covariance + shrinkage * identity, centres.T)
    expected = each @ weights - 0.5 * (weights * centres.T).sum(0)
    np.testing.assert_allclose(found.logits(rows), expected, rtol=1e-2, atol=1e-2)


def _loss(logits: Logits, labels: Labels) -> float:
    return log_loss(logits / np.float32(temperature(logits, labels)), labels)


@contextmanager
def one_of_each(penalty: float, shrinkage: float) -> Iterator[None]:
    """Only these values are tried."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(out_of_fold, "PENALTIES", (penalty,))
        patch.setattr(out_of_fold, "SHRINKAGES", (shrinkage,))
        yield


def test_mirror_images_are_learned_from_if_that_lowers_the_loss() -> None:
    rng = np.random.default_rng(9)
    rows, labels = _blobs(rng, 90, 0.5)
    args = rows, labels, 3, rng.permutation(90) % 5, np.arange(90)
    alone = fit_out_of_fold(*args)
    # Further views of the same images help; views that show another class do not.
    centres = np.stack([rows[labels == label].mean(0) for label in range(3)])
    helpful = rows + rng.normal(scale=0.1, size=rows.shape).astype(np.float32)
    helpful = (helpful + centres[labels]) / 2
    found = fit_out_of_fold(*args, mirrored=helpful)
    assert found.mirrored
    assert _loss(found.logits, labels) < _loss(alone.logits, labels)
    misleading = centres[(labels + 1) % 3] + rng.normal(size=rows.shape).astype(np.float32)
    found = fit_out_of_fold(*args, mirrored=misleading)
    assert not found.mirrored
    np.testing.assert_array_equal(found.logits, alone.logits)
    np.testing.assert_array_equal(found.head.weights, alone.head.weights)


@pytest.mark.parametrize("mirrored", [False, True])
def test_every_fold_is_reported_as_soon_as_it_is_answered(mirrored: bool) -> None:
    rows, labels = _blobs(np.random.default_rng(11), 60, 1.0)
    reported: list[tuple[int, int]] = []
    fit_out_of_fold(
        rows, labels, 3, np.arange(60) % 5, np.arange(60),
        mirrored=rows if mirrored else None, on_fold=lambda *one: reported.append(one),
    )  # fmt: skip
    count = 5 * (2 + mirrored)
    assert reported == [(done, count) for done in range(1, count + 1)]


def test_work_that_must_stop_ends_at_its_next_fold() -> None:
    rows, labels = _blobs(np.random.default_rng(11), 60, 1.0)
    answered: list[int] = []

    def stop_at_second(done: int, total: int) -> None:
        answered.append(done)
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit_out_of_fold(rows, labels, 3, np.arange(60) % 5, np.arange(60), on_fold=stop_at_second)
    assert answered == [1, 2]


def test_a_mirror_image_is_not_learned_from_where_its_image_is_answered() -> None:
    """Labels without meaning: a head that knew the mirror images would know the labels."""
    rng = np.random.default_rng(10)
    rows, labels = rng.normal(size=(300, 200)).astype(np.float32), rng.integers(0, 3, 300)
    folds = rng.permutation(300) % 5
    found = fit_out_of_fold(rows, labels, 3, folds, np.arange(300), mirrored=rows)
    assert abs(found.accuracy - 1 / 3) < 4 * found.error


@given(seeds, st.integers(2, 50), st.integers(1, 5))
def test_copies_of_images_do_not_make_a_figure_more_certain(
    seed: int, count: int, copies: int
) -> None:
    right = np.random.default_rng(seed).random(count) < 0.7
    right[:2] = True, False  # otherwise the error has a floor
    single = standard_error(right, np.arange(count))
    assert single == pytest.approx(np.sqrt(right.mean() * (1 - right.mean()) / count))
    groups = np.repeat(np.arange(count), copies)
    assert standard_error(np.repeat(right, copies), groups) == pytest.approx(single)
