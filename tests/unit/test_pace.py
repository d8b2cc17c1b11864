"""How fast a job goes of late."""

from __future__ import annotations

import pytest

from producer.pace import SPAN_S, Pace, left_s


def test_nothing_is_said_at_once() -> None:
    pace = Pace()
    assert pace.mark(100.0, 5_000) == 0
    assert pace.mark(100.1, 5_100) == 0


def test_only_the_last_seconds_count() -> None:
    pace = Pace()
    for second in range(200):
        rate = pace.mark(float(second), 1_000 * second)
    assert rate == 1_000
    for second in range(200, 200 + int(SPAN_S) // 2):
        rate = pace.mark(float(second), 199_000)
    assert rate == pytest.approx(500, rel=0.1)
    for second in range(260, 260 + int(SPAN_S)):
        rate = pace.mark(float(second), 199_000)
    assert rate == 0


def test_a_time_without_marks_counts_and_rows_done_again_are_no_speed() -> None:
    pace = Pace()
    pace.mark(0.0, 0)
    assert pace.mark(1_000.0, 50_000) == 50  # Redis was away
    assert pace.mark(1_001.0, 0) == 0


def test_time_is_left_only_where_it_can_be_known() -> None:
    assert left_s(1_000, 400, walking=False, rate=100.0) == 6
    assert left_s(1_000, 400, walking=True, rate=100.0) is None
    assert left_s(1_000, 400, walking=False, rate=0.0) is None
    assert left_s(1_000, 1_200, walking=False, rate=100.0) == 0
