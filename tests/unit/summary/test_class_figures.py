"""How right a version is: the interval of an accuracy, and the weakest classes."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.summary.class_figures import Z, few_images_line, interval, per_class, weakest_lines
from producer.summary.training_text import training_lines
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


def test_the_weakest_classes_come_first_with_what_they_are_taken_for() -> None:
    assert [click.unstyle(line) for line in weakest_lines(FOUND)] == [
        "weakest classes:",
        "  coat   44.4%  taken for boot (6), hat (4)",
        "  hat    66.7%  taken for boot (1), coat (1)",
    ]
    assert per_class(FOUND.labels, FOUND.confusion)[1].taken_for == {"boot": 6, "hat": 4}


def test_classes_with_too_few_images_to_judge_are_named() -> None:
    line = click.unstyle(few_images_line(FOUND))
    assert "15" in line
    assert line.endswith(": hat (6)")


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


def test_the_weakest_classes_say_which_of_two_sets_of_images_they_are_of() -> None:
    metrics = Metrics(0.75, 64, 0.5, 0.02, 0.75, 64, 0.5, 0.02)
    trained = Trained("m@2", metrics, Decided("production", 2, 1, True, "it is better"), 3.0)
    text = click.unstyle(
        "\n".join(training_lines(trained, {"heldout": FOUND, "test": FOUND}, (), 80))
    )
    assert "weakest classes, of the test images:" in text
    assert "63.2 to 84.0% on others like these\n" in text


@pytest.mark.parametrize(
    ("right", "count", "told"), [(2, 300, True), (0, 5, False), (90, 300, False)]
)
def test_fewer_right_than_by_chance_hint_at_the_order_of_labels(
    right: int, count: int, told: bool
) -> None:
    metrics = Metrics(right / count, count, 5.0, 0.5)
    trained = Trained(
        "m@1", metrics, Decided("production", 1, None, True, "the first version"), 3.0
    )
    measured = Evaluation(count, right / count, 5.0, 0.5, FOUND.labels, FOUND.confusion)
    text = click.unstyle("\n".join(training_lines(trained, {"heldout": measured})))
    assert ("--labels" in text) == told
