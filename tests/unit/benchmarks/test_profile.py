"""`benchmarks.profile` finds every step that it measures in the product, and puts it back."""

from __future__ import annotations

import time

from benchmarks import profile
from benchmarks.measure.stopwatch import Stopwatch
from shared.settings import Settings

STEPS = (*profile.PRODUCER_STEPS, *profile.CHILD_STEPS)


def test_every_step_is_measured_where_the_product_calls_it() -> None:
    before = [getattr(owner, name) for owner, name, _ in STEPS]
    watch = Stopwatch(time.thread_time)
    profile.watch_steps(watch, Settings(redis_url="redis://127.0.0.1:1"))
    try:
        for (owner, name, step), original in zip(STEPS, before, strict=True):
            assert getattr(owner, name) is not original, step
    finally:
        watch.restore()
    assert [getattr(owner, name) for owner, name, _ in STEPS] == before


class Parts:
    """A clock that each part of a step advances."""

    now_s = 0.0

    def read(self) -> None:
        self.now_s += 2

    def form(self) -> None:
        self.now_s += 1
        self.read()
        self.now_s += 1


def test_the_time_of_a_nested_step_is_its_own() -> None:
    parts = Parts()
    watch = Stopwatch(lambda: parts.now_s)
    watch.watch(parts, "read", "read")
    watch.watch(parts, "form", "form")
    parts.form()
    watch.restore()
    assert watch.spent == {"form": 2, "read": 2}
