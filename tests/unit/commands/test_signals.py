"""Ctrl-C and SIGTERM belong to the command line, which asks the work to stop."""

from __future__ import annotations

import os
import signal

import pytest

from producer.cli.running import stopped_by_signals
from shared.errors import Stopped

NUMBERS = [signal.SIGINT, signal.SIGTERM]


def send(number: signal.Signals) -> None:
    """Its handler has run when this returns."""
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_requests_a_stop_and_the_second_interrupts_at_once(
    number: signal.Signals,
) -> None:
    before = signal.getsignal(number)
    with stopped_by_signals() as stop:
        assert not stop.requested
        send(number)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            send(number)
    assert signal.getsignal(number) is before


def test_work_that_was_stopped_is_an_interrupted_command() -> None:
    with pytest.raises(KeyboardInterrupt), stopped_by_signals():
        raise Stopped
