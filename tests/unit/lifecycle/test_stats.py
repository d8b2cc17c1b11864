"""The statistics that a worker's parent has of its children."""

from __future__ import annotations

from ast import literal_eval

from celery.utils.saferepr import saferepr

from shared.image_status import BY_CODE
from worker.lifecycle.child_records import WorkerStats

#: Celery limits a result to this length for the parent (Task.resultrepr_maxsize).
REPR_CHARS = 1024


def test_an_idle_child_still_lists_its_versions_and_a_dead_one_does_not() -> None:
    tally = WorkerStats()
    tally.add(1, 16, {}, ["a@1", "b@2"])
    tally.add(2, 16, {}, ["c@3"])
    assert tally.versions([1, 2, 3]) == tally.versions([1, 2, 3]) == ["a@1", "b@2", "c@3"]
    assert tally.versions([1]) == ["a@1", "b@2"]
    assert tally.versions([1, 2]) == ["a@1", "b@2"]


def test_the_longest_result_is_not_truncated() -> None:
    result = (4_194_304, 2_048, {str(s): 2_048 for s in BY_CODE}, ["n" * 64 + "@2147483647"] * 2)
    assert literal_eval(saferepr(result, REPR_CHARS)) == result
