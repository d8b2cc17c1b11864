"""The error budget stops a job neither too early nor too late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.inputs.job_options import ErrorBudget, decode_budget, encode_budget, parse_budget
from producer.journal.totals import JobCounts

ROWS_BEFORE_PERCENT = 1_000


@st.composite
def totals(draw: st.DrawFn) -> JobCounts:
    done = draw(st.integers(0, 3 * ROWS_BEFORE_PERCENT))
    return JobCounts(done + draw(st.integers(0, 10)), done, draw(st.integers(0, done)))


@given(st.from_regex(r"[0-9]{1,30}(\.[0-9]{1,9}%)?", fullmatch=True))
def test_the_journal_stores_the_typed_text(text: str) -> None:
    budget = ErrorBudget(float(text.rstrip("%")), text.endswith("%"))
    assert decode_budget(encode_budget(budget)) == budget


@pytest.mark.parametrize(
    "text", ["", "%", "-1", "1.5", "101%", "100.1%", "5 %", "1e3", "nan", "inf", "5%%", "ten"]
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        parse_budget(text)


@given(totals(), st.booleans(), st.integers(0, 3000))
def test_a_number_is_checked_at_once(totals: JobCounts, finished: bool, limit: int) -> None:
    assert ErrorBudget(limit).exceeded(totals.failed, totals.done, finished) == (
        totals.failed > limit
    )


@given(totals(), st.booleans(), st.integers(0, 100))
def test_a_share_is_checked_after_a_thousand_rows_and_at_the_end(
    totals: JobCounts, finished: bool, percent: int
) -> None:
    judged = finished or totals.done >= ROWS_BEFORE_PERCENT
    above = totals.done > 0 and totals.failed / totals.done > percent / 100 + 1e-12
    assert ErrorBudget(percent, percent=True).exceeded(totals.failed, totals.done, finished) == (
        judged and above
    )


@pytest.mark.parametrize(("done", "stops"), [(999, False), (1_000, True)])
def test_a_share_of_fewer_than_a_thousand_rows_stops_no_job(done: int, stops: bool) -> None:
    assert ErrorBudget(5, percent=True).exceeded(done // 2, done, finished=False) is stops


def test_a_budget_of_all_rows_is_never_exceeded() -> None:
    assert not ErrorBudget(100, percent=True).exceeded(9, 9, finished=True)
    assert ErrorBudget(0, percent=True).exceeded(1, 9, finished=True)
