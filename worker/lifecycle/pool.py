"""The processes of a worker's pool, as its parent sees them: when they are forked, and their
reaction to SIGHUP and to its death.

SIGHUP stops a worker like SIGTERM; under nohup it does nothing. Celery would restart the worker in
both cases, with a command line that imports other modules than the original one.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import billiard
from celery.signals import worker_process_init
from celery.worker import state

#: Longer than any thread waits. After it, a child that may hang is better than no child.
FORK_TIMEOUT_S = 20.0
#: Celery checks its children when one ends, which is often too early to see it dead, and then only
#: after 5 s.
DEATH_POLL_S = 0.5
_is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


class ForkLock:
    """Delays forks while threads of the parent are busy: a fork waits for all of them.

    fork() copies locks in their current state. A child forked while another thread holds an import
    lock deadlocks on its first import, and still looks alive to the parent.
    """

    def __init__(self) -> None:
        self._idle = threading.Condition()
        self._busy_threads = 0

    @contextmanager
    def delay_forks(self) -> Iterator[None]:
        """The process does not fork within the block."""
        with self._idle:
            self._busy_threads += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy_threads -= 1
                self._idle.notify_all()

    def close(self) -> None:
        """Wait for the busy threads, and block new ones until `open`."""
        self._idle.acquire()
        self._idle.wait_for(lambda: not self._busy_threads, FORK_TIMEOUT_S)

    def open(self) -> None:
        """After the fork, in the parent."""
        self._idle.release()

    def reset(self) -> None:
        """After the fork, in the child, which has none of the other threads."""
        self.__init__()  # type: ignore[misc]


fork_lock = ForkLock()
os.register_at_fork(
    before=fork_lock.close, after_in_parent=fork_lock.open, after_in_child=fork_lock.reset
)


def pids(pool: Any) -> list[int]:
    """The pids of the pool's processes; of this process if the pool has none."""
    processes = getattr(getattr(pool, "_pool", None), "_pool", None)
    if not processes:
        return [os.getpid()]
    return [process.pid for process in processes if process.pid]  # a new one has none yet


def assigned(pool: Any) -> set[int]:
    """The pids of the pool's processes that a hint was written to whose result has not been read,
    also of dead ones; of this process if the pool has none.

    Such a process may work, although the parent, which may be busy reconnecting, has not read that
    it accepted the hint.
    """
    processes = getattr(pool, "_pool", None)
    if not processes:
        return {os.getpid()}
    writers = (getattr(job, "_write_to", None) for job in tuple(processes._cache.values()))
    return {process.pid for process in writers if process is not None}


def keep_assigned(pool: Any) -> None:
    """Keep the hints that were written to a process when Celery closes its consumer.

    Celery forgets those of which it has not read that they were accepted. Then it reads no result
    of them: the process, which waits for that before it ends, ended 30 s late, and until a
    reconnect was over it was not known to be busy.
    """
    processes: Any = getattr(pool, "_pool", None)
    flush = getattr(processes, "flush", None)
    if flush is None:
        return

    def flushed() -> None:
        jobs = [job for job in tuple(processes._cache.values()) if job._write_to is not None]
        flush()
        processes._cache.update({job._job: job for job in jobs if not job.ready()})

    pool.flush = flushed


def has_forked(pool: Any) -> bool:
    """Whether this process has forked the pool's processes, which it does not on macOS."""
    return os.getpid() not in pids(pool) and str(billiard.get_start_method()) == "fork"


def is_busy() -> bool:
    """Whether a process of the pool works on a hint, or the worker is shutting down."""
    flags = (state.should_stop, state.should_terminate)
    # A warm shutdown sets 0, which equals False.
    is_stopping = any(flag is not None and flag is not False for flag in flags)
    return is_stopping or bool(state.active_requests)


def handle_hangup() -> None:
    """Set the reaction to SIGHUP in the parent, after Celery has set its own."""
    ending = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGHUP, signal.SIG_IGN if _is_nohup else ending)


@worker_process_init.connect
def _ignore_hangup(**_: Any) -> None:
    """In a child: a terminal sends SIGHUP to all processes, and the parent ends the children."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@worker_process_init.connect
def _end_with_parent(**_: Any) -> None:
    """End a child whose parent ended before Celery asked the kernel to kill it with the parent. It
    would wait for ever: its siblings have the other ends of its pipes."""
    process: Any = billiard.current_process()
    parent = process._parent_pid  # None in a parent, whose pool has no processes
    if parent is not None and os.getppid() != parent:
        os._exit(0)


def notify_forks(pool: Any, on_fork: Callable[[int], None]) -> None:
    """Call `on_fork` with the pid of each process of the pool, of new ones before they get work."""
    processes: Any = getattr(pool, "_pool", None)
    create = getattr(processes, "_create_worker_process", None)
    for pid in pids(pool):
        on_fork(pid)
    if create is None:
        return

    def created(index: int) -> Any:
        process = create(index)
        on_fork(process.pid)
        return process

    processes._create_worker_process = created


def detect_deaths(parent: Any) -> None:
    """Make a Celery worker find dead children within DEATH_POLL_S, and always replace them.

    Celery ends the whole worker if a child died before the first connection, which may take as long
    as an outage, or if it connects again after a child's sentinel has closed and before the child
    is reaped.
    """
    processes: Any = getattr(parent.pool, "_pool", None)
    if hasattr(processes, "maintain_pool") and parent.hub is not None:
        parent.hub.call_repeatedly(DEATH_POLL_S, processes.maintain_pool)
        processes.did_start_ok = lambda: True
        _track_the_living(processes)


def _track_the_living(processes: Any) -> None:
    track = processes._track_child_process

    def tracked(process: Any, hub: Any) -> None:
        if getattr(process, "_sentinel_poll", process) is not None:
            track(process, hub)

    processes._track_child_process = tracked


def follow(parent: Any, wanted: Callable[[], int | None]) -> None:
    """Grow and shrink the pool of a Celery worker to the number that `wanted` returns, if any."""
    if hasattr(getattr(parent.pool, "_pool", None), "maintain_pool") and parent.hub is not None:
        scaled = ScaledPool(parent)
        parent.hub.call_repeatedly(DEATH_POLL_S, lambda: scaled.scale(wanted()))


class ScaledPool:
    """The pool of a Celery worker, with children that get no more hints and end when they have
    finished theirs. Celery would end one that has taken a hint a moment ago."""

    def __init__(self, parent: Any) -> None:
        self._parent = parent
        self._retiring: set[int] = set()

    def scale(self, wanted: int | None) -> None:
        """Start or retire children, and end retired ones without a hint. None: as before."""
        processes: Any = self._parent.pool._pool
        self._retiring &= {process.pid for process in processes._pool}
        staying = [p for p in processes._pool if p.pid not in self._retiring]
        busy = assigned(self._parent.pool)
        more = 0 if wanted is None else wanted - (processes._processes - len(self._retiring))
        if more:
            self._set_prefetched(wanted or 1)
        if more > 0:
            processes.grow(more)
            processes.maintain_pool()
        for process in sorted(staying, key=lambda p: p.pid in busy)[: max(0, -more)]:
            self._retiring.add(process.pid)
            processes._all_inqueues.discard(process.inqW_fd)  # where hints may be written
            processes._busy_workers.discard(process.inqW_fd)
        for process in processes._pool:
            if process.pid in self._retiring - busy and not process._controlled_termination:
                processes._processes -= 1
                processes._putlock.shrink()
                process.terminate_controlled()

    def _set_prefetched(self, children: int) -> None:
        """Set how many hints the parent holds, now and after a reconnect."""
        consumer = self._parent.consumer
        consumer.initial_prefetch_count = children * consumer.prefetch_multiplier
        if consumer.qos is not None:
            consumer.qos.value = consumer.initial_prefetch_count
