"""What a parent knows of the processes of its pool."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from celery.worker import state

#: Celery looks at its children as soon as one ends, which is often too soon to see it dead, and
#: again only after 5 s.
LOOK_FOR_DEATHS_S = 0.5


def pids(pool: Any) -> list[int]:
    """The pool's processes; a pool of threads, or none, is this process itself."""
    processes = getattr(getattr(pool, "_pool", None), "_pool", None)
    return [p.pid for p in processes] if processes else [os.getpid()]


def is_busy() -> bool:
    """Whether a process of the pool works on a hint, or the worker is about to end."""
    ends = (state.should_stop, state.should_terminate)
    return bool(state.active_requests) or any(one not in (None, False) for one in ends)


def notify_forks(pool: Any, born: Callable[[int], None]) -> None:
    """Call `born` with the pid of each process of the pool, from now on before it has any work."""
    processes: Any = getattr(pool, "_pool", None)
    create = getattr(processes, "_create_worker_process", None)
    for pid in pids(pool):
        born(pid)
    if create is None:
        return

    def created(index: int) -> Any:
        process = create(index)
        born(process.pid)
        return process

    processes._create_worker_process = created


def detect_deaths(parent: Any) -> None:
    """Have a Celery worker find dead children soon, and replace them at any time.

    Celery ends the whole worker over a child that has died before the first connection, which may
    take as long as the server is away.
    """
    processes: Any = getattr(parent.pool, "_pool", None)
    if hasattr(processes, "maintain_pool") and parent.hub is not None:
        parent.hub.call_repeatedly(LOOK_FOR_DEATHS_S, processes.maintain_pool)
        processes.did_start_ok = lambda: True
