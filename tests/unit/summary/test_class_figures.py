"""How right a version is: the interval of an accuracy, and the weakest classes."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.summary.answer_counter import Z, interval
from producer.summary.job_text import training_lines
from shared.messages.model_card import Metrics
from shared.messages.replies import Decided, Evaluation, Trained

FOUND = Evaluation(64, 0.75, 0.5, 0.02, ("boot", "coat", "hat"), ((40, 0, 0), (6, 8, 4), (1, 1, 4)))


@given(st.integers(1, 10_000), st.data())
def test_the_interval_contains_the_shares_within_two_deviations(
    count: int, data: st.DataObject
) -> None:
    """Wilson: the bounds are the shares from which the accuracy is Z deviations away."""
    accuracy = data.draw(st.integers(0, count)) / count
    low, high = interval(accuracy, count)
    assert 0 <= low <= accuracy <= high <= 1
    for bound in (low, high):
        if 0 < bound < 1:
            deviation = (bound * (1 - bound) / count) ** 0.5
            assert abs(accuracy - bound) == pytest.approx(Z * deviation, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("count", "chance"), [(64, True), (5_000, False)])
def test_a_comparison_on_few_images_is_called_chance(count: int, chance: bool) -> None:
    metrics = Metrics(0.75, count, 0.5, 0.02)
    trained = Trained("m@2", metrics, Decided("production", 2, 1, True, "it is better"), 3.0)
    text = click.unstyle("\n".join(training_lines(trained, {"heldout": FOUND})))
    assert ("mostly chance" in text) == chance
    assert f"75.0% of {count:,} held-out images right" in text
    assert "others like these" in text
    assert "weakest classes:" in text
    assert text.splitlines()[-1] == "undo it:  hangtag models rollback m"
