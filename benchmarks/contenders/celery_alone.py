"""Plain Celery with its redelivery, with the same faults as Hangtag."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from benchmarks.contenders import celery_alone_app
from benchmarks.environment.paths import ROOT
from tests.support.processes import procfs
from tests.support.servers.redis_server import RedisServer, server_binaries

TASKS, TASK_S = 40, 1.0
#: For faults whose redelivered task must not wait behind others.
FEW_TASKS = 6
LIMIT_S = 240.0
OUTAGE_S = 1.0
_POLL_S = 0.02
#: After a fault Celery may be busy with its current tasks for this time.
SETTLE_S = 12.0


class Run(NamedTuple):
    """A line that a task wrote."""

    at: float
    pid: int
    task: int
    what: str


class Plain:
    """A server and two workers of two children. Use as a context manager."""

    def __init__(
        self, tasks: int, visible_s: int = 3600, reject: bool = False, sweep_s: str = ""
    ) -> None:
        self._tasks = tasks
        self._folder = Path(tempfile.mkdtemp(prefix="ht-plain-"))
        self._notes = self._folder / "runs"
        self._notes.touch()
        self.server = RedisServer(server_binaries()[0])
        url = self.server.url.replace("unix://", "redis+socket://")
        self._env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            celery_alone_app.URL: url,
            celery_alone_app.VISIBLE: str(visible_s),
            celery_alone_app.REJECT: str(int(reject)),
            celery_alone_app.SWEEP: sweep_s,
            celery_alone_app.RUNS: str(self._notes),
        }
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Plain:
        self.server.start()
        self.workers = [self._worker(n) for n in range(2)]
        self._send()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.server.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def runs(self) -> list[Run]:
        """The lines that tasks have written."""
        lines = [line.split() for line in self._notes.read_text().splitlines()]
        return [Run(float(at), int(pid), int(task), what) for at, pid, task, what in lines]

    def in_progress(self, worker: int) -> Run:
        """Wait for a task in progress in a child of this worker."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            done = {run.task for run in self.runs if run.what == "done"}
            mine = set(procfs.children(self.workers[worker].pid))
            for run in reversed(self.runs):
                if run.pid in mine and run.task not in done and time.monotonic() - run.at < 0.5:
                    return run
            time.sleep(_POLL_S)
        raise AssertionError("no task is in progress")

    def redelivered(self, lost: Run) -> float | None:
        """Seconds until another process starts the task; None if Redis cannot redeliver it."""
        started = time.monotonic()
        while time.monotonic() - started < LIMIT_S:
            for run in self.runs:
                if run.task == lost.task and run.pid != lost.pid:
                    return run.at - started
            if self._nothing_left() and time.monotonic() - started > SETTLE_S:
                return None
            time.sleep(_POLL_S)
        return None

    def lost(self) -> int:
        """The number of tasks never done, once Redis cannot redeliver any."""
        deadline = time.monotonic() + LIMIT_S
        time.sleep(SETTLE_S)
        while not self._nothing_left() and time.monotonic() < deadline:
            time.sleep(1.0)
        time.sleep(2 * TASK_S)
        return self._tasks - len({run.task for run in self.runs if run.what == "done"})

    def _nothing_left(self) -> bool:
        client = self.server.client
        return not client.llen(celery_alone_app.QUEUE) and not client.hlen("unacked")

    def _worker(self, number: int) -> subprocess.Popen[bytes]:
        command = [
            "-m",
            "celery",
            "-A",
            "benchmarks.contenders.celery_alone_app",
            "worker",
            "-c",
            "2",
        ]
        return subprocess.Popen(
            [sys.executable, *command, "-n", f"plain{number}@here"],
            env=self._env,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _send(self) -> None:
        code = (
            "from benchmarks.contenders.celery_alone_app import app, TASK\n"
            f"for n in range({self._tasks}): app.send_task(TASK, args=(n, {TASK_S}))"
        )
        subprocess.run([sys.executable, "-c", code], env=self._env, cwd=self._folder, check=True)


def child_killed(reject: bool) -> float | None:
    """Kill a pool child during a task."""
    with Plain(FEW_TASKS, reject=reject) as plain:
        lost = plain.in_progress(0)
        os.kill(lost.pid, signal.SIGKILL)
        return plain.redelivered(lost)


def worker_killed(visible_s: int, sweep_s: str) -> float | None:
    """Kill a worker's parent and children."""
    with Plain(FEW_TASKS, visible_s, sweep_s=sweep_s) as plain:
        lost = plain.in_progress(0)
        plain.workers[0].kill()
        return plain.redelivered(lost)


def server_restarted() -> int:
    """Kill the server and restart it empty; return the number of lost tasks."""
    with Plain(TASKS) as plain:
        plain.in_progress(0)
        plain.server.kill()
        time.sleep(OUTAGE_S)
        plain.server.start()
        return plain.lost()


def server_emptied() -> int:
    """Empty the server with FLUSHALL; return the number of lost tasks."""
    with Plain(TASKS) as plain:
        plain.in_progress(0)
        with suppress(ConnectionError):
            plain.server.client.flushall()
        return plain.lost()
