"""Runs steps of the night: one at a time, and beside it one of those that mostly wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from tests.steps.step import Outcome, Running, Step

_POLL_S = 0.1


def run(
    steps: Iterable[Step],
    within_s: float,
    started: Callable[[Step], None],
    ended: Callable[[Step, Outcome], None],
) -> list[Step]:
    """Run in this order what ends within these seconds. Returns the other steps."""
    end = time.monotonic() + within_s
    todo, left, running = list(steps), list[Step](), list[Running]()
    try:
        while todo or running:
            for step in _startable(todo, running):
                todo.remove(step)
                if time.monotonic() + step.about_s > end:
                    left.append(step)
                else:
                    started(step)
                    running.append(Running(step))
            for one in running[:]:
                if outcome := one.outcome():
                    running.remove(one)
                    ended(one.step, outcome)
            time.sleep(_POLL_S)
    finally:
        for one in running:
            one.end()
    return left


def _startable(todo: list[Step], running: list[Running]) -> list[Step]:
    """The first step of each kind of which none runs."""
    busy = {one.step.waits for one in running}
    first = {step.waits: step for step in reversed(todo) if step.waits not in busy}
    return [step for step in todo if step in first.values()]
