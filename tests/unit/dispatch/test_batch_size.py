"""Batches take a worker process about a second, whatever the model's speed, and the first are
small."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.dispatch.batch_size import BATCH_S, FEWEST_IMAGES, FIRST_IMAGES, BatchSize
from producer.dispatch.window import Window

RATES = st.floats(1, 50_000)


@given(RATES, st.integers(1, 64), st.integers(1, 8))
def test_a_batch_takes_a_process_a_second(rate: float, slots: int, jobs: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        size, window = BatchSize(), Window(children=slots, jobs=jobs)
        for second in range(20):
            patch.setattr("time.monotonic", lambda s=second: float(s))
            size.mark(int(rate * second / jobs))
        images = size.images(window)
    expected = BATCH_S * rate / slots
    assert images == FEWEST_IMAGES or images == pytest.approx(expected, rel=0.1, abs=2 * jobs)
    assert images >= FEWEST_IMAGES


def test_before_the_speed_is_known_batches_grow_from_small_ones() -> None:
    size = BatchSize()
    sizes = [size.images(Window()) for _ in range(5)]
    assert sizes == [FIRST_IMAGES, 2 * FIRST_IMAGES, 4 * FIRST_IMAGES, 512, 512]
