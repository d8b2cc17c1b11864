"""Jobs share the queue: together they have as much in it as a single job."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from producer.dispatch.window import share

BATCH_SHARE_MIN = 1 / 8
BATCHES_PER_CHILD = 2
BATCHES_UNSEEN = 4


@given(st.integers(1, 200), st.integers(0, 2_000))
def test_jobs_have_as_many_images_under_way_together_as_a_single_one(slots: int, jobs: int) -> None:
    batches, size = share(slots, jobs)
    together = max(1, jobs) * batches
    alone = BATCHES_PER_CHILD * slots
    assert batches >= 1
    assert together >= alone, "a worker process is idle"
    assert jobs * (batches - 1) < alone, "one batch less of each job would suffice"
    assert BATCH_SHARE_MIN <= size <= 1
    assert together * size <= alone * (1 + 1e-9) or size == BATCH_SHARE_MIN


@given(st.integers(1, 200))
def test_a_single_job_has_full_batches(slots: int) -> None:
    assert share(slots, 1) == (BATCHES_PER_CHILD * slots, 1.0)
    assert share(0, slots) == (BATCHES_UNSEEN, 1.0)
