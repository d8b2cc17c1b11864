"""Faults that a supervisor meets and survives."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from producer.processes.process_handle import load_roster
from producer.stack.service import BACKOFF_MAX_S, Service
from producer.stack.service_group import Services
from shared.settings import Settings
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


def test_a_list_of_processes_that_cannot_be_written_is_written_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocker = tmp_path / "members.json.new"
    blocker.mkdir()
    services = Services(Settings(), tmp_path, tmp_path / "new.sock", lambda _: True)
    services._server.want([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    for _ in range(3):
        services.tend(0, training=False)
    assert load_roster(tmp_path) == []
    assert len(caplog.messages) == 1, "one line, not one for each turn"
    assert str(tmp_path) in caplog.messages[0]
    blocker.rmdir()
    services.tend(0, training=False)
    assert load_roster(tmp_path) == [services.server]
    services.end()
