"""A request to end interrupts waits and nothing else."""

from __future__ import annotations

import signal
import time

import pytest

from producer.dispatch.interrupts import InterruptibleWaits, WaitInterrupted, alarm


@pytest.mark.parametrize("after_s", [1e10, 1e300])
def test_a_limit_beyond_what_the_system_can_count_does_not_ring(after_s: float) -> None:
    with alarm(after_s, lambda: pytest.fail("it rang")):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 1e8


def test_code_outside_a_wait_is_never_interrupted() -> None:
    waits = InterruptibleWaits()
    with waits.waiting():
        pass
    waits.cut()


def test_the_current_wait_ends_at_once() -> None:
    waits = InterruptibleWaits()
    before = signal.signal(signal.SIGALRM, lambda *_: waits.cut())
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(WaitInterrupted), waits.waiting():
            time.sleep(60)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_after_a_request_to_end_no_wait_starts() -> None:
    waits = InterruptibleWaits()
    waits.cut()
    with pytest.raises(WaitInterrupted), waits.waiting():
        pytest.fail("it waited")


def test_an_error_that_a_library_raises_for_the_interrupt_becomes_the_interrupt() -> None:
    waits = InterruptibleWaits()

    def made_by_a_library() -> None:
        try:
            waits.cut()
        except WaitInterrupted as cut:
            raise RuntimeError("in a class's body") from cut

    with pytest.raises(WaitInterrupted), waits.waiting():
        made_by_a_library()


def test_an_unrelated_error_is_raised_unchanged() -> None:
    with pytest.raises(ConnectionError), InterruptibleWaits().waiting():
        raise ConnectionError
