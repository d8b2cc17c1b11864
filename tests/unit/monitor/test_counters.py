"""Counters over workers that come and go."""

from __future__ import annotations

from producer.monitor.metric_families import WorkerCounters
from shared import keys
from shared.ledger.heartbeats import Heartbeat

#: When the counters start, by the server's clock; workers of most tests start then.
START_MS = 0


def beat(worker: str, images: int, since_ms: int = 0, **failures: int) -> Heartbeat:
    return Heartbeat(
        worker, "host", 1, keys.CLASSIFY_QUEUE, [], [], images, 0.0, 0, 0, since_ms, failures
    )


def test_a_sum_never_falls_when_a_worker_leaves_comes_back_or_was_seen_earlier() -> None:
    accrual = WorkerCounters()
    accrual.add([beat("a", 100, missing=3), beat("b", 10, missing=1)], START_MS)
    accrual.add([beat("b", 12, missing=1, crashed=2)], START_MS)
    assert (accrual.images, accrual.failures["missing"]) == (112, 4)
    accrual.add([beat("a", 90, missing=2)], START_MS)  # of an older poll that took longer
    assert (accrual.images, accrual.failures["missing"]) == (112, 4)
    accrual.add([beat("a", 101, missing=3)], START_MS)
    assert (accrual.images, accrual.failures["crashed"]) == (113, 2)


def test_a_worker_that_was_replaced_under_its_number_continues_the_count() -> None:
    accrual = WorkerCounters()
    accrual.add([beat("a", 1_000, 5, missing=3)], START_MS)
    accrual.add([beat("a", 10, 60_005, missing=1)], START_MS)
    assert (accrual.images, accrual.failures["missing"]) == (1_010, 4)


def test_work_of_before_the_start_is_not_counted() -> None:
    """Else the counters of a restarted endpoint would jump, and with them each rate over them."""
    accrual = WorkerCounters()
    accrual.add([beat("a", 900, 50, missing=4)], 1_000)
    assert (accrual.images, accrual.failures["missing"]) == (0, 0)
    accrual.add([beat("a", 950, 50, missing=5, crashed=1), beat("b", 30, 1_500)], 2_000)
    assert (accrual.images, accrual.failures["missing"]) == (80, 1)
    accrual.add([beat("unreachable", 500, 60, missing=3)], 3_000)
    assert (accrual.images, accrual.failures["missing"]) == (80, 1)
    accrual.add([beat("unreachable", 510, 60, missing=3)], 4_000)
    assert (accrual.images, accrual.failures["crashed"]) == (90, 1)
