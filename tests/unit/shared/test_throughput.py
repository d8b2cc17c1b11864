"""The current rate of a job or a worker."""

from __future__ import annotations

import pytest

from shared.throughput import Rate, left_s

SPAN_S = 30.0


def test_only_the_last_seconds_count() -> None:
    rate = Rate()
    for second in range(200):
        seen = rate.mark(float(second), 1_000 * second)
    assert seen == 1_000
    for second in range(200, 200 + int(SPAN_S) // 2):
        seen = rate.mark(float(second), 199_000)
    assert seen == pytest.approx(500, rel=0.1)
    for second in range(260, 260 + int(SPAN_S)):
        seen = rate.mark(float(second), 199_000)
    assert seen == 0


def test_gaps_count_as_time_and_repeated_rows_do_not_count() -> None:
    rate = Rate()
    rate.mark(0.0, 0)
    assert rate.mark(1_000.0, 50_000) == 50  # Redis was unreachable
    assert rate.mark(1_001.0, 0) == 0


def test_batches_that_take_longer_than_many_marks_have_a_steady_rate() -> None:
    """One child that takes 20 s for 2,048 images, as its parent sees it at every heartbeat."""
    rate = Rate()
    seen = [rate.mark(float(second), second // 20 * 2_048) for second in range(0, 605, 5)]
    assert seen[:4] == [0, 0, 0, 0]
    assert all(2_048 / 35 <= one <= 2 * 2_048 / 30 for one in seen[4:])
    assert sum(seen[6:]) / len(seen[6:]) == pytest.approx(2_048 / 20, rel=0.05)


def test_the_remaining_time_is_given_only_if_it_can_be_known() -> None:
    assert left_s(1_000, 400, rate=100.0) == 6
    assert left_s(None, 400, rate=100.0) is None
    assert left_s(1_000, 400, rate=0.0) is None
    assert left_s(1_000, 1_200, rate=100.0) == 0
