"""A terminal or session ends: SIGHUP stops a worker like SIGTERM, and does nothing under nohup."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet, Worker, wait_for


def hang_up(worker: Worker) -> None:
    """Send SIGHUP to the children and the parent, as the kernel does."""
    for pid in (*worker.children, worker.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)


def test_a_worker_whose_terminal_closes_ends_gracefully_or_continues_under_nohup(
    fleet: Fleet,
) -> None:
    plain = fleet.worker(1, ready=False)
    with fleet.at(lambda cwd: ["nohup"], {}):
        detached = fleet.worker(1, ready=False)
    for worker in (plain, detached):
        fleet.wait_ready(worker)
        (child,) = worker.children
        wait_for("the child", lambda pid=child: procfs.ignores(pid, signal.SIGHUP))  # type: ignore[misc]
    assert procfs.ignores(detached.pid, signal.SIGHUP)
    children = detached.children
    hang_up(detached)
    hang_up(plain)
    assert plain.wait() == 0, plain.story
    assert "prematurely" not in plain.log, "its child did not survive the signal"
    assert detached.children == children
    assert detached.end() == 0, detached.story
