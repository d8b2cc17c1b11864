"""Calibration: the fitted temperature, and the measured error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.datasets.examples import Labels
from worker.evaluation.calibration import temperature
from worker.evaluation.metrics import Probabilities, reliability
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


@pytest.mark.parametrize("logit", [0.0, np.nan])
def test_logits_that_distinguish_no_classes_stay_as_they_are(logit: float) -> None:
    assert temperature(np.full((3, 2), logit), np.zeros(3, np.int64)) == 1.0
    assert temperature(np.empty((0, 2)), np.empty(0, np.int64)) == 1.0


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
    assert reliability(probabilities, labels).error == pytest.approx(total, abs=1e-9)
