"""The parts of this machine's stack, without starting it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.fleet import machine_resources
from producer.stack import redis_server
from producer.stack.service import Service
from shared.broker.runtime_paths import runtime_dir
from shared.errors import Exit
from shared.settings import Settings
from tests.support.processes.fleet import wait_for

ENV = dict(os.environ)


def test_the_limits_of_a_container_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_resources, "_CGROUP", tmp_path)
    assert machine_resources.cores() >= 1
    assert machine_resources.memory_bytes() > 1 << 28
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text("1000000\n")
    assert (machine_resources.cores(), machine_resources.memory_bytes()) == (1, 1_000_000)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert machine_resources.memory_bytes() > 1 << 28


def test_the_runtime_folder_does_not_depend_on_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cron has no $XDG_RUNTIME_DIR, and a logout removes it under running jobs."""
    found = {runtime_dir(Settings())}
    os.rmdir(os.environ["XDG_RUNTIME_DIR"])
    found.add(runtime_dir(Settings()))
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert found == {runtime_dir(Settings())}


def test_a_runtime_folder_that_another_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    runtime = runtime_dir(Settings())
    runtime.symlink_to(tmp_path / "folder")
    result = CliRunner().invoke(hangtag, ["workers"], env={"HANGTAG_RUNTIME_DIR": ""})
    assert result.exit_code == Exit.SETUP
    assert str(runtime) in result.stderr
    assert "HANGTAG_RUNTIME_DIR" in result.stderr


def test_a_process_that_exits_is_restarted_with_growing_delays() -> None:
    service = Service("test", lambda _: True)
    service.want([sys.executable, "-S", "-c", "raise SystemExit(3)"], ENV)

    def failed(times: int) -> bool:
        service.tend()
        return service.failures == times

    wait_for("two failures", lambda: failed(2))
    assert service.members == []
    service.tend()
    assert service.members == [], "it must wait before the restart"
    service.end(0)


def test_a_changed_command_takes_over_when_it_is_ready() -> None:
    ready: set[int] = set()
    service = Service("test", lambda one: one.pid in ready)
    sleep = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    service.want([*sleep, "1"], ENV)
    service.tend()
    (before,) = service.members
    ready.add(before.pid)
    service.tend()
    service.want([*sleep, "2"], ENV)
    service.tend()
    service.tend()
    assert len(service.members) == 2
    assert before.alive
    assert service.newest is not None
    ready.add(service.newest.pid)
    service.tend()
    assert before.wait(10)
    service.tend()
    assert service.members == [service.newest]
    assert before != service.newest
    service.end(10)
    assert service.members == []


def test_a_server_without_execute_permission_is_copied(tmp_path: Path) -> None:
    binary = tmp_path / "valkey-server"
    binary.write_bytes(b"#!")
    binary.chmod(0o644)
    folder = tmp_path / "stack"
    folder.mkdir()
    copy = redis_server.executable(binary, folder)
    assert copy.parent == folder
    assert os.access(copy, os.X_OK)
    assert redis_server.executable(copy, folder) == copy
