"""The steps of a training, and their rates."""

from __future__ import annotations

import pytest

from shared.recipes import RECIPES
from worker.train.schedule import batch_size, plan, rate

FAST, TUTORIAL = RECIPES["fast"], RECIPES["tutorial"]


def test_only_a_recipe_with_least_steps_adapts_to_few_images() -> None:
    assert batch_size(TUTORIAL, 40) == TUTORIAL.batch == 32
    assert batch_size(FAST, 40) == 8
    assert batch_size(FAST, 800) == 100
    few = plan(FAST, 40)
    assert few.steps * few.epochs >= FAST.least_steps > 0
    assert plan(TUTORIAL, 40)[:3] == (40, 10, 2)


def test_the_rate_rises_in_the_warm_up_and_falls_to_0() -> None:
    schedule, warm = plan(FAST, 60_000), FAST.warmup_share
    assert 0 < warm < 0.5
    shares = (0, warm / 2, warm, (1 + warm) / 2, 1)
    rates = [rate(FAST, schedule, share) / schedule.peak_rate for share in shares]
    assert rates == pytest.approx([0, 0.5, 1, 0.5, 0])
    constant = plan(TUTORIAL, 60_000)
    assert {rate(TUTORIAL, constant, share) for share in (0, 0.5, 1)} == {constant.peak_rate}
