"""Faults that a supervisor meets and survives."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from producer.processes.process_handle import load_roster
from producer.stack.service import Service
from producer.stack.service_group import Services
from shared.settings import Settings
from tests.support.processes import procfs
from tests.support.processes.fleet import wait_for

BACKOFF_MAX_S = 30.0
END_S = 6.0
SERVER_END_S = 2.0


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


def test_a_stack_whose_processes_ignore_sigterm_ends_within_its_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them wait at the same time, and the server afterwards, by the supervisor's clock."""
    services = Services(Settings(), tmp_path, tmp_path / "new.sock", lambda _: True)
    every = [services._server, *services._others.values()]
    for service in every:
        ignores = f"trap '' TERM; touch {tmp_path / service.name}; exec sleep 600"
        service.want(["sh", "-c", ignores])
        service.tend()
    wait_for("all processes", lambda: all((tmp_path / one.name).exists() for one in every))
    pids = [member.pid for service in every for member in service.members]
    clock = FakeClock(monkeypatch)
    services.end()
    assert clock.now == pytest.approx(END_S + SERVER_END_S)
    assert not any(map(procfs.is_alive, pids))


class FakeClock:
    """A clock on which only waits for a process take time: as long as they may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self._wait = subprocess.Popen.wait
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(subprocess.Popen, "wait", lambda *given: self._waited(*given))

    def _waited(self, process: subprocess.Popen[bytes], timeout_s: float | None = None) -> int:
        if timeout_s is None:
            return self._wait(process)
        self.now += timeout_s
        raise subprocess.TimeoutExpired(process.args, timeout_s)
