"""Runs functions in forks of this process, several at a time, each with a limit."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn


class Task(NamedTuple):
    """What one fork does. `run` returns what can be pickled."""

    key: Any
    run: Callable[[], Any]
    limit_s: float


class _Running(NamedTuple):
    task: Task
    result: Path
    deadline: float


def each(tasks: deque[Task], jobs: int) -> Iterator[tuple[Any, Any]]:
    """The key and the result of each task, in the order of their ends; None where the limit was
    reached or the process was killed. Tasks may be added meanwhile."""
    running = dict[int, _Running]()
    with tempfile.TemporaryDirectory(prefix="g-", ignore_cleanup_errors=True) as folder:
        while True:
            while tasks and len(running) < jobs:
                task = tasks.popleft()
                result = Path(folder, str(time.monotonic_ns()))
                deadline = time.monotonic() + task.limit_s
                running[_forked(task, result)] = _Running(task, result, deadline)
            if not running:
                return
            pid = _ended(running)
            one = running.pop(pid)
            kill_group(pid)
            yield (
                one.task.key,
                pickle.loads(one.result.read_bytes()) if one.result.exists() else None,
            )
            one.result.unlink(missing_ok=True)
            shutil.rmtree(_place(one.result), ignore_errors=True)


def _forked(task: Task, result: Path) -> int:
    pid = os.fork()
    if pid == 0:
        _run(task, result)
    return pid


def _run(task: Task, result: Path) -> NoReturn:
    try:
        os.setsid()
        # Pytest's own folder of all runs on this machine fails now and then where many start.
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(_place(result))
        _place(result).mkdir()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        part = result.with_suffix(".part")
        part.write_bytes(pickle.dumps(task.run()))
        part.rename(result)
    finally:
        os._exit(0)


def _place(result: Path) -> Path:
    """The temporary files of a fork."""
    return result.with_suffix(".tmp")


def _ended(running: dict[int, _Running]) -> int:
    """The process id of a task that has ended; one beyond its limit is killed first."""
    while True:
        for pid, one in running.items():
            if os.waitpid(pid, os.WNOHANG)[0]:
                return pid
            if time.monotonic() > one.deadline:
                kill_group(pid)
                os.waitpid(pid, 0)
                return pid
        time.sleep(0.01)


def kill_group(pid: int) -> None:
    """Kill what a task has left in its session's group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
