"""A health check detects whether a worker is alive, with and without Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.support.processes import procfs
from tests.support.processes.fleet import ROOT, SHORT_TIMES, Fleet, wait_for
from tests.support.servers.redis_server import RedisServer
from worker.health import problem
from worker.lifecycle.process_files import read_all

LIMIT_S = 3.0
#: A thread that waits for the end of the outage makes one at most.
TURNS = 2


@pytest.fixture(autouse=True)
def _own_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the check finds the workers of this test alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.fixture
def fleet(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    for name, value in SHORT_TIMES.items():
        monkeypatch.setenv(name, value)  # the same settings as the worker's
    with Fleet(server) as made:
        yield made


def check(*options: str) -> tuple[int, str]:
    """The exit code of a health check, and its line."""
    done = subprocess.run(
        [sys.executable, "-m", "worker.health", *options],
        cwd=ROOT, capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    return done.returncode, done.stdout.strip()


def wait_until_healthy(*options: str) -> None:
    """Wait until a check succeeds. Most polls read what the command reads, without its start."""
    ready = "--ready" in options
    wait_for(
        "a healthy worker",
        lambda: not problem(Settings.from_env(), ready) and check(*options) == (0, "healthy"),
    )


def wait_for_complaint(text: str, *options: str) -> None:
    """Wait until the check fails with this in its line."""
    ready = "--ready" in options

    def fails() -> bool:
        if text not in problem(Settings.from_env(), ready):
            return False
        code, line = check(*options)
        assert (code == 1) == (line != "healthy")
        return text in line

    wait_for(f"the complaint {text!r}", fails)


def test_without_a_worker_the_check_fails() -> None:
    code, line = check()
    assert code == 1
    assert line.isprintable()
    assert "no worker" in line


@pytest.mark.parametrize("app", ["worker.app", "worker.trainer"])
def test_a_worker_is_well_from_its_first_heartbeat_to_its_end(fleet: Fleet, app: str) -> None:
    worker = fleet.worker(1, app, ready=app == "worker.app")
    fleet.wait_ready(worker)
    wait_until_healthy("--ready")
    assert check() == (0, "healthy")
    assert worker.end() == 0, worker.story
    assert check()[0] == check("--ready")[0] == 1


@pytest.mark.parametrize(
    "outage",
    # A suspended server costs the thread a time limit of 15 s in each turn.
    ["killed", pytest.param("suspended", marks=pytest.mark.nightly)],
)
def test_throughout_an_outage_of_redis_a_worker_is_alive_and_not_ready(
    fleet: Fleet, outage: str
) -> None:
    worker = fleet.worker(1)
    wait_until_healthy("--ready")
    fleet.server.kill() if outage == "killed" else fleet.server.freeze()
    turns = {_turn()}

    def goes_on() -> bool:
        assert not problem(Settings.from_env(), ready=False)
        turns.add(_turn())
        return len(turns) > TURNS

    wait_for(f"{TURNS} turns of the heartbeat thread", goes_on)
    wait_for_complaint("Redis has accepted no heartbeat", "--ready")
    assert check() == (0, "healthy")
    fleet.server.start() if outage == "killed" else fleet.server.thaw()
    wait_until_healthy("--ready")
    assert worker.running


def _turn() -> float:
    """The time of the last iteration of the one worker's heartbeat thread."""
    ((_, found),) = read_all()
    return found.turned_s


@pytest.fixture
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the tests that wait until a suspended worker exceeds it."""
    monkeypatch.setenv("HANGTAG_HEALTH_LIMIT_S", str(LIMIT_S))


@pytest.mark.usefixtures("short_limit")
def test_suspended_and_killed_workers_are_reported(fleet: Fleet) -> None:
    worker = fleet.worker(1)
    wait_until_healthy()
    procfs.stop(worker.pid)
    wait_for_complaint("has been stuck")
    worker.signal(signal.SIGCONT)
    wait_until_healthy()
    worker.kill()
    wait_for_complaint("no worker runs here")
