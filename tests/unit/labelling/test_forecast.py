"""What the next 50 decisions would bring is a range that mostly holds, is seldom wide, and is not
said where too little is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.pipes.labelling import NextPage
from tests.unit.labelling.test_session import KINDS, PAGES, decide, drawn, labelled, started
from worker.labelling.fitted import fit
from worker.labelling.forecast import (
    AHEAD,
    APART,
    EARLY,
    LEAST_DECISIONS,
    LEAST_WIDTH,
    NOT_KNOWN,
    PUT_RIGHT,
    SURELY_LEARNED,
    Course,
    Forecast,
    Gain,
    Numbers,
    Series,
    next_gain,
)
from worker.labelling.session import NONE

STEP, DRAWS, ROWS = 5, 300, 3_000


def course(
    steps: Numbers, errors: Series, rows: int = ROWS, kinds: Numbers | None = None
) -> Course:
    """Errors that a head sees which knows all: a person has put some right since."""
    since = (steps[-1] - steps) * PUT_RIGHT / rows
    kinds = np.full(len(steps), 10) if kinds is None else kinds
    return Course(steps, errors, np.minimum(since, errors - errors[-1]), kinds)


def told(gain: Gain) -> tuple[float, float]:
    assert gain.low is not None
    assert gain.high is not None
    return gain.low, gain.high


def falling(chance: np.random.Generator, steps: Numbers) -> Series:
    """Errors after numbers of decisions, as they fall on sets of photos: a person puts wrong ones
    right, heads learn at a pace of the folder, and each page adds noise."""
    error, pace = chance.uniform(0.05, 0.25), chance.uniform(0.6, 1.4)
    errors = [error]
    for at in steps[1:]:
        learned = errors[-1] * min(1.0, pace * EARLY * 10 / at) / at
        errors.append(errors[-1] - STEP * (learned + PUT_RIGHT / ROWS) + chance.normal(0, 0.0015))
    return np.maximum(0, errors)


def test_a_range_holds_in_nine_of_ten_cases_and_is_never_wide() -> None:
    chance = np.random.default_rng(0)
    widths, held = [], 0
    for _ in range(DRAWS):
        now = int(chance.integers(LEAST_DECISIONS, 280) // STEP * STEP) + STEP
        steps = np.arange(now - AHEAD, now + AHEAD + 1, STEP)
        errors = falling(chance, steps)
        seen = steps <= now
        gain = next_gain(course(steps[seen], errors[seen]), ROWS)
        if gain == NOT_KNOWN:
            continue
        low, high = told(gain)
        last, brought = (errors[steps == at][0] for at in (now - AHEAD, now + AHEAD))
        last, brought = last - errors[seen][-1], errors[seen][-1] - brought
        assert 0 <= low < high
        assert high - low <= max(LEAST_WIDTH, last / 2) + 1e-9
        widths.append(high - low)
        held += low <= brought <= high
    assert len(widths) > DRAWS * 2 / 3
    assert held > 0.9 * len(widths)
    assert max(widths) > LEAST_WIDTH


@pytest.mark.parametrize(
    ("first", "now"), [(2, LEAST_DECISIONS - 3), (100, 100 + AHEAD - 5), (200, 200)]
)
def test_it_cannot_be_told_before_there_is_a_curve(first: int, now: int) -> None:
    steps = np.arange(first, now + 1, STEP)
    assert next_gain(course(steps, 1 / steps), ROWS) == NOT_KNOWN


def test_it_cannot_be_told_where_more_is_expected_than_a_narrow_range_can_hold() -> None:
    steps = np.arange(100, 201, STEP)
    for error, known in ((0.1, True), (0.8, False)):
        gain = next_gain(course(steps, error * (steps / 100.0) ** -0.3), ROWS)
        assert (gain != NOT_KNOWN) == known


def test_a_range_is_as_wide_as_half_of_what_the_last_decisions_surely_brought() -> None:
    steps = np.arange(20, 71, STEP)
    errors = np.linspace(0.3, 0.1, len(steps))
    low, high = told(next_gain(course(steps, errors), ROWS))
    learned = 0.2 - PUT_RIGHT * AHEAD / ROWS
    assert high - low == pytest.approx((PUT_RIGHT * AHEAD / ROWS + SURELY_LEARNED * learned) / 2)


def test_decisions_put_wrong_images_right_as_long_as_there_are_any() -> None:
    steps = np.arange(200, 251, STEP)
    for rows, error in ((100_000, 0.03), (1_000, 0.03), (1_000, 0.005)):
        learning = next_gain(course(steps, np.full(len(steps), error), rows), 10**9)
        gain = next_gain(course(steps, np.full(len(steps), error), rows), rows)
        more = min(error, PUT_RIGHT * AHEAD / rows) / 2  # of the two curves, one
        assert told(gain)[1] - told(learning)[1] <= more
        assert (told(gain) > told(learning)) == (more > 0.01)


def test_new_kinds_and_wrong_images_among_those_drawn_by_chance_let_more_be_expected() -> None:
    steps = np.arange(50, 101, STEP)
    errors, kinds = 0.2 * (steps / 50.0) ** -1.0, np.full(len(steps), 10)
    as_usual, _ = told(next_gain(course(steps, errors), ROWS))
    kinds[0] = 5
    assert told(next_gain(course(steps, errors, kinds=kinds), ROWS))[0] > as_usual
    assert told(next_gain(course(steps, errors), ROWS, oftener=1.5))[0] > as_usual


def test_the_more_labels_each_kind_has_the_less_another_one_teaches() -> None:
    steps = np.arange(150, 201, STEP)
    errors = np.linspace(0.15, 0.1, len(steps))
    gains = [
        told(next_gain(course(steps, errors, kinds=np.full(len(steps), kinds)), ROWS))[0]
        for kinds in (2, 10, 20)
    ]
    assert gains == sorted(gains)
    assert gains[0] < gains[-1]


def test_earlier_heads_are_judged_by_what_is_known_now() -> None:
    rows, _ = drawn(300)
    truth = np.random.default_rng(3).integers(0, KINDS, 300)  # which no head can guess
    labels = np.full(300, NONE)
    forecast = Forecast(rows, np.ones(300, np.int64))
    for known, decisions in ((8, 8), (40, 30), (300, 50)):
        labels[:known] = truth[:known]
        fitted = fit(rows, labels, KINDS)
        forecast.after(decisions, labels, fitted, 1.0)
    seen = forecast._course(labels, fitted)
    assert seen.errors[0] == pytest.approx((forecast._heads[0].guesses != truth).mean())
    assert seen.errors[0] > seen.errors[1] > seen.errors[2]
    assert seen.errors[2] == pytest.approx(0)
    assert seen.put_right == pytest.approx(seen.errors)
    assert seen.decisions.tolist() == [8, 30, 50]


def test_only_labels_of_a_person_count_as_put_right() -> None:
    rows, truth = drawn(300)
    labels = np.full(300, NONE)
    forecast = Forecast(rows, np.full(300, 2))
    labels[:40] = truth[:40]
    forecast.after(10, labels, fit(rows, labels, KINDS), 1.0)
    before = forecast._heads[0]
    labels[40:60] = 1 - truth[40:60] % 2  # which are mostly others than guessed
    labels[60:160] = -2  # left out
    seen = forecast._course(labels, fit(rows, labels, KINDS))
    wrong = int((before.guesses[40:60] != labels[40:60]).sum())
    assert seen.put_right.tolist() == pytest.approx([wrong / 200])
    assert seen.kinds.tolist() == [KINDS]


def test_heads_a_few_decisions_apart_are_remembered_as_one() -> None:
    rows, truth = drawn(60)
    fitted = fit(rows, truth, KINDS)
    forecast = Forecast(rows, np.ones(60, np.int64))
    for decisions in (10, 10 + APART - 1, 10 + APART, 11 + APART, 10 + 2 * APART):
        forecast.after(decisions, truth, fitted, 1.0)
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


def test_only_images_drawn_by_chance_say_how_often_confidences_are_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, truth = drawn(300)
    labels, stacks = truth[:130].copy(), np.arange(130)
    labels[100:] = (truth[100:130] + 1) % KINDS  # which no head expects
    oftener: list[float] = []

    def after(*given: Any) -> Gain:
        oftener.append(given[-1])
        return NOT_KNOWN

    for by_chance in (stacks >= 100, stacks < 100):
        run = started(rows)
        run.decide(stacks, labels, by_chance)
        run.learn()
        monkeypatch.setattr(run._forecast, "after", after)
        run.foresee()
    assert oftener[0] > 1.5
    assert oftener[1] < 1
