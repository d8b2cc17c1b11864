"""Operating points: what a threshold accepts is as often right as it promises."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.evaluation.operating_points import (
    STRICTER,
    Predicted,
    accepted,
    fewest,
    operating_points,
    points_by_chance,
    threshold,
    wilson_bound,
)

cases = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=60)


@pytest.mark.parametrize(("precision", "count"), [(0.9, 15), (0.95, 32), (0.98, 81), (0.99, 163)])
def test_so_few_right_predictions_reach_a_precision(precision: float, count: int) -> None:
    assert fewest(precision) == count
    assert wilson_bound(count, count) >= precision > wilson_bound(count - 1, count - 1)


@given(cases, st.sampled_from((0.5, 0.7, 0.9)))
def test_the_threshold_is_the_lowest_whose_bound_reaches_the_precision(
    found: list[tuple[int, bool]], precision: float
) -> None:
    confidence = np.array([tenths / 10 for tenths, _ in found])
    right = np.array([is_right for _, is_right in found])

    def reaches(limit: float) -> bool:
        above = confidence >= limit
        return bool(wilson_bound(right[above].sum(), above.sum()) >= precision)

    expected = min((limit for limit in set(confidence) if reaches(limit)), default=None)
    assert threshold(confidence, right, precision) == expected
    assert threshold(confidence[:0], right[:0], precision) is None


def test_predictions_accepted_on_other_images_reach_the_precision() -> None:
    rng = np.random.default_rng(1)

    def sample(count: int) -> tuple[np.ndarray, np.ndarray]:
        probabilities = rng.dirichlet([0.1] * 4, count)
        # As calibrated as can be: the label is drawn from the prediction.
        labels = (probabilities.cumsum(1) > rng.random((count, 1))).argmax(1)
        return probabilities, labels

    points = operating_points(*sample(4000))
    probabilities, labels = sample(40_000)
    predicted = probabilities.argmax(1)
    for point in points:
        taken = accepted(probabilities.max(1), predicted, point.thresholds)
        assert (predicted == labels)[taken].mean() >= point.precision - 0.01
        assert taken.mean() == pytest.approx(point.accepted, abs=0.03)
    shares = [point.accepted for point in points]
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] < shares[0] < 1


@given(st.integers(0, 160), st.integers(0, 60), st.integers(0, 2**31))
def test_what_a_higher_precision_accepts_a_lower_one_accepts_too(
    few: int, wrong: int, seed: int
) -> None:
    """A label with answers enough for the lower one alone takes the threshold of all above it."""
    rng = np.random.default_rng(seed)
    predicted = np.array([0] * few + [1] * 900)
    right = np.concatenate([np.arange(few) >= wrong, np.ones(900, bool)])
    confidence = rng.uniform(0.5, 1, len(predicted))
    probabilities = np.stack([confidence, 1 - confidence], 1)
    probabilities[few:] = probabilities[few:, ::-1]
    labels = np.where(right, predicted, 1 - predicted)
    taken = [
        accepted(confidence, predicted, point.thresholds)
        for point in operating_points(probabilities, labels)
    ]
    for lower, higher in pairwise(taken):
        assert not (higher & ~lower).any()


def test_a_label_that_is_often_wrong_accepts_nothing_and_the_card_says_so() -> None:
    labels = np.array([0] * 200 + [1] * 200)
    probabilities = np.tile([0.9, 0.1], (400, 1))
    for point in operating_points(probabilities, labels):
        assert point.thresholds[0] is None
        assert point.accepted == 0


chances = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 20), st.sampled_from((0.0, 0.5, 0.9, 0.97, 1.0))),
    max_size=40,
)


def predicted(images: list[tuple[int, int, float]]) -> Predicted:
    labels, confidence, right = (np.array(column) for column in zip(*images, strict=True))
    return Predicted(confidence / 20, labels.astype(np.int64), right.astype(np.float64))


@given(chances)
def test_what_is_accepted_by_chance_is_in_the_mean_as_likely_right_as_required(
    images: list[tuple[int, int, float]],
) -> None:
    some = predicted(images or [(0, 1, 0.0)])
    before = np.zeros(len(some.labels), bool)
    for point in reversed(points_by_chance(some, 3)):
        taken = accepted(some.confidence, some.labels, point.thresholds)
        assert (taken | ~before).all()  # what a higher precision accepts, a lower one does
        before = taken
        least = point.precision + STRICTER * (1 - point.precision)
        if taken.any():
            assert some.chances[taken].mean() >= least - 1e-9
        assert point.accepted == pytest.approx(taken.mean())
