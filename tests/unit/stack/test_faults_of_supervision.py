"""Faults that a supervisor meets and survives."""

from __future__ import annotations

import sys
import time

from producer.stack.service import BACKOFF_MAX_S, Service
from tests.support.processes.fleet import wait_for


def test_a_command_may_fail_any_number_of_times() -> None:
    service = Service("worker", {}, lambda _: True)
    service.want([sys.executable, "-S", "-c", "raise SystemExit(1)"])
    service.failures = 5000
    service.tend()

    def failed() -> bool:
        service.tend()
        return service.failures == 5001

    wait_for("a failure", failed)
    assert service._due - time.monotonic() <= BACKOFF_MAX_S
    service.end(1)
