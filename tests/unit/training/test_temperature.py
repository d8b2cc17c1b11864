"""Calibration: the fitted temperature, and the measured error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.datasets.examples import Labels
from worker.evaluation.calibration import temperature
from worker.evaluation.metrics import Probabilities, calibration_error, score
from worker.runtimes.runtime import softmax

seeds = st.integers(0, 2**32 - 1)


def _drawn(seed: int, count: int = 4000) -> tuple[Probabilities, Labels]:
    """Logits [n, 4], and labels drawn from exactly the probabilities that they define."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, 4))
    edges = softmax(logits).cumsum(1)
    return logits, (rng.random((count, 1)) > edges[:, :-1]).sum(1)


@settings(deadline=None, max_examples=25)
@given(seeds, st.floats(0.2, 5))
def test_the_temperature_that_distorted_the_confidence_is_found(seed: int, spoiled: float) -> None:
    logits, labels = _drawn(seed)
    assert temperature(logits * spoiled, labels) == pytest.approx(spoiled, rel=0.2)


@given(seeds, st.floats(-8, 8))
def test_logits_of_any_size_have_the_same_confidences(seed: int, power: float) -> None:
    """Those of discriminant analysis are in the hundreds, or in the millions for photos alike."""
    logits, labels = _drawn(seed, 60)
    larger = 10**power * logits
    np.testing.assert_allclose(
        softmax(larger / temperature(larger, labels)),
        softmax(logits / temperature(logits, labels)),
        rtol=1e-6,
    )


@pytest.mark.parametrize("logits", [np.zeros((6, 3)), np.full((6, 3), np.nan)])
def test_logits_that_distinguish_nothing_stay_as_they_are(logits: Probabilities) -> None:
    assert temperature(logits, np.arange(6) % 3) == 1.0


@given(seeds)
def test_no_other_temperature_has_a_smaller_loss(seed: int) -> None:
    logits, labels = _drawn(seed, 500)
    best = temperature(logits, labels)

    def loss(temperature: float) -> float:
        """Of the labels, and of one more prediction of which half is of any label: 501 in all."""
        nats = -np.log(softmax(logits / temperature))
        given, any_label = nats[np.arange(500), labels].mean(), nats.mean()
        return float((500.5 * given + 0.5 * any_label) / 501)

    for other in best * np.geomspace(0.5, 2, 9):
        assert loss(best) <= loss(other) + 1e-9


@pytest.mark.parametrize("count", [4, 10, 200])
def test_the_confidence_of_a_network_that_is_always_right_is_limited_by_the_number_of_images(
    count: int,
) -> None:
    logits = 10 * np.eye(10)[np.arange(count) % 10]
    cooling = temperature(logits, np.arange(count) % 10)
    confidence = softmax(logits / cooling).max(1).mean()
    assert confidence == pytest.approx(1 - 0.45 / (count + 1), abs=1e-6)


def test_the_error_of_a_computed_example() -> None:
    # Ten predictions at 0.9 of which seven are right, ten at 0.6 of which six are.
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10)
    labels = np.array([0] * 7 + [1] * 3 + [0] * 6 + [1] * 4)
    assert calibration_error(probabilities, labels) == pytest.approx(0.5 * 0.2 + 0.5 * 0.0)


@given(seeds)
def test_the_error_matches_the_definition(seed: int) -> None:
    logits, labels = _drawn(seed, 300)
    probabilities = softmax(logits)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    total = 0.0
    for lower in np.arange(15) / 15:
        inside = (confidence > lower) & (confidence <= lower + 1 / 15)
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert calibration_error(probabilities, labels) == pytest.approx(total, abs=1e-9)


def test_confidence_that_is_drawn_from_the_truth_has_nearly_no_error() -> None:
    logits, labels = _drawn(1, 20_000)
    assert calibration_error(softmax(logits), labels) < 0.015


def test_certain_and_wrong_is_bad_but_finite() -> None:
    certain = score(np.eye(2, dtype=np.float32), np.array([1, 0]))
    assert (certain.accuracy, certain.ece) == (0.0, 1.0)
    assert np.isfinite(certain.loss)
