"""The parts of this machine's stack, without starting it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.machine import machine_resources
from producer.machine.service import Service
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
    service = Service("test")
    command = [sys.executable, "-S", "-c", "raise SystemExit(3)"]

    def failed(times: int) -> bool:
        service.tend(command, ENV)
        return service.failures == times

    wait_for("two failures", lambda: failed(2))
    assert not service.pid
    service.tend(command, ENV)
    assert not service.pid, "it must wait before the restart"
    service.end(0)
