"""Restarts a worker that takes no hints although hints wait and its children are idle.

Celery can stop consuming after a reconnect; three releases claimed to fix it (celery 8030, 9054,
10205). The process replaces itself with exec under the same pid, so that it needs no supervisor and
its parent, signals and exit codes stay the same. No work is lost, since none was in progress.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

import redis
from redis.exceptions import RedisError

from shared.broker import transport
from shared.errors import BrokerRefuses
from worker.lifecycle import pool, worker_log
from worker.lifecycle.pool import fork_lock

log = logging.getLogger(__name__)
#: Number of checks within the limit: hints must wait at each of them.
CHECKS = 12
_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG = 1, 2


class Watchdog(threading.Thread):
    """One per worker parent."""

    def __init__(
        self, client: redis.Redis, queues: Sequence[str], limit_s: float, parent: object
    ) -> None:
        """Call it in the main thread of `parent`, a Celery worker."""
        super().__init__(name="hangtag-watchdog", daemon=True)
        self._client, self._queues, self._limit_s = client, queues, limit_s
        self._parent, self._death_signal = parent, _parent_death_signal()
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        interval_s = self._limit_s / CHECKS
        since = last = time.monotonic()
        while not self._stopped.wait(interval_s):
            now = time.monotonic()
            was_suspended = now - last > 4 * interval_s  # machine or process
            last = now
            since = max(since, transport.last_receipt())
            if was_suspended or not self._is_stuck():
                since = time.monotonic()
            elif now - since >= self._limit_s:
                since = now
                log.error(
                    "no hint was taken for %.0f s although hints wait in %s; this worker restarts",
                    self._limit_s,
                    " or ".join(self._queues),
                )
                restart(pool.pids(getattr(self._parent, "pool", None)), self._death_signal)

    def _is_stuck(self) -> bool:
        """Whether hints wait and no child of this worker is busy, at this moment."""
        try:
            with fork_lock.delay_forks():
                return not pool.is_busy() and any(map(self._client.llen, self._queues))
        except (RedisError, BrokerRefuses):
            return False  # unreachable: no hint can arrive


def restart(children: list[int], death_signal: int) -> None:
    """Kill the children and replace this process by the command that it was started with.

    `death_signal` is the signal that the kernel sends when the parent dies, or 0. The kernel stores
    it per thread, and this may be a different thread, so it is set again.
    """
    for pid in children:
        if pid != os.getpid():
            os.kill(pid, signal.SIGKILL)
    if death_signal:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal)
    sys.stderr.flush()
    worker_log.restore()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _parent_death_signal() -> int:
    if sys.platform != "linux":
        return 0
    number = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(_PR_GET_PDEATHSIG, ctypes.byref(number))
    return number.value
