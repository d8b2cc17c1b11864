"""A request to end cuts waits short, and nothing else."""

from __future__ import annotations

import signal
import time

import pytest

from producer.dispatch.interrupts import InterruptibleWaits, WaitInterrupted


def test_what_is_no_wait_is_never_cut() -> None:
    waits = InterruptibleWaits()
    with waits.waiting():
        pass
    waits.cut()


def test_the_wait_that_is_on_ends_at_once() -> None:
    waits = InterruptibleWaits()
    before = signal.signal(signal.SIGALRM, lambda *_: waits.cut())
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(WaitInterrupted), waits.waiting():
            time.sleep(60)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_whoever_was_asked_to_end_waits_no_more() -> None:
    waits = InterruptibleWaits()
    waits.cut()
    with pytest.raises(WaitInterrupted), waits.waiting():
        pytest.fail("it waited")


def test_an_error_that_a_library_makes_of_the_cut_is_the_cut() -> None:
    waits = InterruptibleWaits()

    def made_by_a_library() -> None:
        try:
            waits.cut()
        except WaitInterrupted as cut:
            raise RuntimeError("in a class's body") from cut

    with pytest.raises(WaitInterrupted), waits.waiting():
        made_by_a_library()


def test_an_error_of_its_own_is_told_as_it_is() -> None:
    with pytest.raises(ConnectionError), InterruptibleWaits().waiting():
        raise ConnectionError
