"""What the next 50 decisions would bring is a range that mostly holds, is never wide, and is not
said where too little is known."""

from __future__ import annotations

import numpy as np
import pytest

from shared.pipes.labelling import NextPage
from tests.unit.labelling.test_session import KINDS, PAGES, decide, drawn, labelled, started
from worker.labelling.fitted import fit
from worker.labelling.forecast import (
    AHEAD,
    APART,
    LEAST_DECISIONS,
    NOT_KNOWN,
    Forecast,
    Numbers,
    Series,
    next_gain,
)
from worker.labelling.session import NONE

STEP, DRAWS = 5, 300


def falling(chance: np.random.Generator, steps: Numbers, now: int) -> Series:
    """Errors after numbers of decisions, as they fall on sets of photos: each page adds noise."""
    power, error = chance.uniform(0.5, 0.9), chance.uniform(0.02, 0.2)
    noise = np.cumsum(chance.normal(0, 0.001, len(steps)))
    errors: Series = error * (steps / now) ** -power + noise - noise[steps == now]
    return errors


def test_a_range_holds_in_nine_of_ten_cases_and_is_never_wide() -> None:
    chance = np.random.default_rng(0)
    told = held = 0
    for _ in range(DRAWS):
        now = int(chance.integers(100, 280) // STEP * STEP)
        steps = np.arange(now - 60, now + AHEAD + 1, STEP)
        errors = falling(chance, steps, now)
        seen = steps <= now
        low, high = next_gain(steps[seen], errors[seen])
        if low is None or high is None:
            continue
        last, brought = (errors[steps == at][0] for at in (now - AHEAD, now + AHEAD))
        last, brought = last - errors[seen][-1], errors[seen][-1] - brought
        assert 0 <= low < high
        assert high - low <= max(0.02, last / 2) + 1e-9
        told, held = told + 1, held + (low <= brought <= high)
    assert told > DRAWS * 2 / 3
    assert held > 0.9 * told


@pytest.mark.parametrize(
    ("first", "now"), [(10, LEAST_DECISIONS - 5), (100, 100 + AHEAD - 5), (200, 200)]
)
def test_it_cannot_be_told_before_there_is_a_curve(first: int, now: int) -> None:
    steps = np.arange(first, now + 1, STEP)
    assert next_gain(steps, 1 / steps) == NOT_KNOWN


def test_it_cannot_be_told_where_the_own_curve_is_unlike_those_of_other_folders() -> None:
    steps = np.arange(100, 201, STEP)
    assert next_gain(steps, 0.1 * (steps / 100.0) ** -0.65) != NOT_KNOWN
    assert next_gain(steps, np.full(len(steps), 0.1)) == NOT_KNOWN


def test_it_cannot_be_told_where_more_is_expected_than_a_narrow_range_can_hold() -> None:
    steps = np.arange(100, 201, STEP)
    assert next_gain(steps, 0.4 * (steps / 100.0) ** -0.65) == NOT_KNOWN


def test_earlier_heads_are_judged_by_what_is_known_now() -> None:
    rows, _ = drawn(300)
    truth = np.random.default_rng(3).integers(0, KINDS, 300)  # which no head can guess
    labels = np.full(300, NONE)
    forecast = Forecast(rows, np.ones(300, np.int64))
    for known, decisions in ((8, 8), (40, 30), (300, 50)):
        labels[:known] = truth[:known]
        fitted = fit(rows, labels, KINDS)
        forecast.after(decisions, labels, fitted, 0.0)
    errors = forecast._errors(labels, fitted)
    assert errors[0] == pytest.approx((forecast._heads[0].guesses != truth).mean())
    assert errors[0] > errors[1] > errors[2] == 0


def test_heads_a_few_decisions_apart_are_remembered_as_one() -> None:
    rows, truth = drawn(60)
    fitted = fit(rows, truth, KINDS)
    forecast = Forecast(rows, np.ones(60, np.int64))
    for decisions in (10, 10 + APART - 1, 10 + APART, 11 + APART, 10 + 2 * APART):
        forecast.after(decisions, truth, fitted, 0.0)
    assert [head.decisions for head in forecast._heads] == [10, 10 + APART, 10 + 2 * APART]


def test_a_decision_that_is_taken_back_takes_its_head_back() -> None:
    rows, truth = drawn(900)
    run = started(rows)
    labelled(run, truth, PAGES)
    run.foresee()
    counts = run.counts()
    assert counts.gain_low is not None
    assert counts.gain_high is not None
    before, page = run._decisions, run.next(NextPage())
    decide(run, page, truth[page.stacks].tolist())
    assert run._decisions > before
    run.decide(
        np.array(page.stacks), np.full(len(page.stacks), NONE), np.zeros(len(page.stacks), bool)
    )
    run.learn()
    run.foresee()
    assert run._decisions == before
    assert run.counts() == counts
