"""Batches take a worker process about a second, whatever the model's speed, and the first are
small."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.run.window import BatchSize, Window

BATCH_S = 1.0
FEW_S = 0.02
FEWEST_IMAGES = 32
FIRST_IMAGES = 128
UNKNOWN_IMAGES_MAX = 512
RATES = st.floats(1, 50_000)


@given(RATES, st.integers(1, 64), st.integers(1, 8))
def test_a_batch_takes_a_process_a_second(rate: float, slots: int, jobs: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        size, window = BatchSize(), Window(children=slots, jobs=jobs)
        for second in range(20):
            patch.setattr("time.monotonic", lambda s=second: float(s))
            size.mark(int(rate * second / jobs))
        images, few = size.images(window), size.small(window)
    expected = BATCH_S * rate / slots
    assert images == FEWEST_IMAGES or images == pytest.approx(expected, rel=0.1, abs=2 * jobs)
    assert images >= FEWEST_IMAGES
    assert few == pytest.approx(FEW_S / BATCH_S * expected, rel=0.1, abs=2)


def test_without_workers_the_first_batches_grow_up_to_a_small_one() -> None:
    size = BatchSize()
    sizes = [size.images(Window()) for _ in range(5)]
    assert sizes == [FIRST_IMAGES, 2 * FIRST_IMAGES, 4 * FIRST_IMAGES, 512, 512]


@given(RATES, st.integers(1, 16), st.integers(0, 10**6))
def test_the_first_batches_double_while_they_take_a_process_less_than_a_second(
    rate: float, slots: int, earlier: int
) -> None:
    """Of a job that was resumed, too: images of earlier runs say nothing about this one."""
    now_s, sizes, window = 100.0, list[int](), Window(children=slots)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.monotonic", lambda: now_s)
        size = BatchSize(earlier)
        for _ in range(10):
            sizes.append(size.images(window))
            now_s += sizes[-1] / rate
            size.mark(earlier + sum(sizes))
    in_time = max(UNKNOWN_IMAGES_MAX, BATCH_S * rate / slots)
    assert all(images <= in_time * 1.01 + 1 for images in sizes)
    doubled = [FIRST_IMAGES << n for n in range(len(sizes))]
    if rate / slots > 10_000:
        assert sizes[:6] == doubled[:6]
