"""Autoscaling: quick up, slow down, without oscillation."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from producer.machine import autoscaler
from producer.machine.autoscaler import Bounds, Target

BATCHES_PER_CHILD = 2
POLL_EVERY_S = 0.5
POLLS = 3
QUIET_S = 15.0

bounds = st.tuples(st.integers(0, 64), st.integers(1, 64)).map(
    lambda pair: Bounds(min(pair), max(pair))
)
backlogs = st.integers(0, 200)


def run(
    start: Target, within: Bounds, seconds: float, backlog: Callable[[int], int]
) -> Iterator[int]:
    """The number of children after each poll; `backlog` maps a number of children to a backlog."""
    now = 0.0
    while now < seconds:
        start = autoscaler.decide(start, within, now, backlog(start.children))
        now += POLL_EVERY_S
        yield start.children


def changes(numbers: list[int]) -> int:
    return sum(before != after for before, after in pairwise(numbers))


@given(st.lists(st.tuples(bounds, backlogs, st.floats(0.1, 60)), max_size=60))
def test_the_number_stays_within_its_bounds(polls: list[tuple[Bounds, int, float]]) -> None:
    found, now = Target(1), 0.0
    for within, batches, later_s in polls:
        now += later_s
        found = autoscaler.decide(found, within, now, batches)
        assert within.floor <= found.children <= within.ceiling


@given(bounds, st.integers(0, 64))
def test_a_full_load_leads_to_the_ceiling_in_few_steps(within: Bounds, start: int) -> None:
    def full(children: int) -> int:
        return max(4, BATCHES_PER_CHILD * children)

    steps = 2 + math.ceil(math.log2(64))
    numbers = list(run(Target(start), within, steps * POLLS * POLL_EVERY_S, full))
    assert numbers[-1] == within.ceiling
    assert changes(numbers) <= steps


@given(bounds, st.integers(0, 64))
def test_idleness_leads_to_the_floor_in_one_step(within: Bounds, start: int) -> None:
    numbers = list(run(Target(within.clamp(start)), within, QUIET_S + 2, lambda _: 0))
    assert numbers[-1] == within.floor
    assert changes(numbers) <= 1


@given(bounds, st.floats(1, 80), st.integers(0, 10**6))
def test_a_partly_busy_fleet_does_not_oscillate(within: Bounds, needed: float, seed: int) -> None:
    """A producer that reads slowly: `needed` children are busy on average, with variation."""
    chance = random.Random(seed)

    def backlog(children: int) -> int:
        if children < needed:
            return max(4, BATCHES_PER_CHILD * children)
        return min(BATCHES_PER_CHILD * children, math.ceil(needed * chance.uniform(0.5, 1.4)))

    numbers = list(run(Target(within.floor), within, 1_200, backlog))
    settled = numbers[len(numbers) // 4 :]
    assert changes(settled) <= 2
    assert settled[-1] >= min(within.ceiling, math.floor(needed))
