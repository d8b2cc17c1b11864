"""A health check detects whether a worker is alive, with and without Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.processes import procfs
from tests.support.processes.fleet import ROOT, SHORT_TIMES, Fleet, wait_for
from tests.support.servers.redis_server import RedisServer

LIMIT_S = 3.0


@pytest.fixture
def fleet(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    for name, value in {**SHORT_TIMES, "HANGTAG_HEALTH_LIMIT_S": str(LIMIT_S)}.items():
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


def wait_for_complaint(text: str, *options: str) -> None:
    """Wait until the check fails with this in its line."""

    def fails() -> bool:
        code, line = check(*options)
        assert (code == 1) == (line != "healthy")
        return code == 1 and text in line

    wait_for(f"the complaint {text!r}", fails)


def test_without_a_worker_the_check_fails() -> None:
    assert check() == (1, "no worker runs here, or its heartbeat thread has not started")


@pytest.mark.parametrize("app", ["worker.app", "worker.trainer"])
def test_a_worker_is_well_from_its_first_heartbeat_to_its_end(fleet: Fleet, app: str) -> None:
    worker = fleet.worker(1, app, ready=app == "worker.app")
    fleet.wait_ready(worker)
    wait_for("a healthy worker", lambda: check("--ready") == (0, "healthy"))
    assert check() == (0, "healthy")
    assert worker.end() == 0, worker.story
    assert check()[0] == check("--ready")[0] == 1


def test_without_redis_a_worker_is_alive_and_not_ready(fleet: Fleet) -> None:
    worker = fleet.worker(1)
    wait_for("a healthy worker", lambda: check("--ready") == (0, "healthy"))
    fleet.server.kill()
    wait_for_complaint("Redis has accepted no heartbeat", "--ready")
    wait_for("a live worker", lambda: check() == (0, "healthy"))
    fleet.server.start()
    wait_for("a healthy worker", lambda: check("--ready") == (0, "healthy"))
    assert worker.running


def test_suspended_and_killed_workers_are_reported(fleet: Fleet) -> None:
    worker = fleet.worker(1)
    wait_for("a healthy worker", lambda: check() == (0, "healthy"))
    procfs.stop(worker.pid)
    wait_for_complaint("has been stuck")
    worker.signal(signal.SIGCONT)
    wait_for("a healthy worker", lambda: check() == (0, "healthy"))
    worker.kill()
    wait_for_complaint("no worker runs here")


def test_one_suspended_worker_of_two_is_reported(fleet: Fleet) -> None:
    stuck, _well = fleet.worker(1), fleet.worker(1)
    wait_for("a healthy worker", lambda: check() == (0, "healthy"))
    procfs.stop(stuck.pid)
    wait_for_complaint(f":{stuck.pid}:")
    stuck.signal(signal.SIGCONT)
