"""A worker that has gone deaf begins anew: hints wait, its children are idle, and it takes none.

Celery has been seen to stop consuming after it had reconnected, three times thought to be mended
(celery 8030, 9054, 10205). The process replaces itself by itself, under the same number, so that
nobody needs to watch it: signals, exit codes and whoever started it stay as they are. Nothing is
lost, since nothing was in hand.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import redis
from redis.exceptions import RedisError

from shared.broker import transport
from shared.errors import BrokerRefuses
from worker.lifecycle import pool
from worker.lifecycle.fork_lock import gate

log = logging.getLogger(__name__)
#: So many looks within the limit: hints must wait at each of them.
LOOKS = 12
_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG = 1, 2


class Watchdog(threading.Thread):
    """One per worker parent. `is_busy` answers whether a child works or the parent ends."""

    def __init__(
        self,
        client: redis.Redis,
        queue: str,
        limit_s: float,
        is_busy: Callable[[], bool],
        begin_anew: Callable[[], None],
    ) -> None:
        super().__init__(name="hangtag-watchdog", daemon=True)
        self._client, self._queue, self._limit_s = client, queue, limit_s
        self._is_busy, self._begin_anew = is_busy, begin_anew
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def run(self) -> None:
        interval_s = self._limit_s / LOOKS
        since = last = time.monotonic()
        while not self._stopped.wait(interval_s):
            now = time.monotonic()
            slept = now - last > 4 * interval_s  # with the machine, or stopped
            last = now
            since = max(since, transport.last_receipt())
            if slept or not self._is_deaf():
                since = time.monotonic()
            elif now - since >= self._limit_s:
                since = now
                self._bite()

    def _is_deaf(self) -> bool:
        """Whether there is something to do and nobody here does it, as it seems at this moment."""
        try:
            with gate.at_work():
                return not self._is_busy() and bool(self._client.llen(self._queue))
        except (RedisError, BrokerRefuses):
            return False  # away: nothing can be heard

    def _bite(self) -> None:
        log.error(
            "no hint was taken for %.0f s although %s is not empty; this worker begins anew",
            self._limit_s,
            self._queue,
        )
        self._begin_anew()


def watchdog(client: redis.Redis, queue: str, limit_s: float, parent: object) -> Watchdog:
    """The one of a Celery worker. Call it in the main thread."""
    dies_with = _parent_death_signal()
    return Watchdog(
        client,
        queue,
        limit_s,
        pool.is_busy,
        lambda: restart(pool.pids(getattr(parent, "pool", None)), dies_with),
    )


def restart(children: list[int], dies_with: int) -> None:
    """Replace this process by the command that it was started with; its children end.

    `dies_with` is the signal that the kernel sends it when its parent dies, or 0: that belongs to
    a thread, and this may be another one than before.
    """
    for pid in children:
        if pid != os.getpid():
            os.kill(pid, signal.SIGKILL)
    if dies_with:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, dies_with)
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _parent_death_signal() -> int:
    if sys.platform != "linux":
        return 0
    number = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(_PR_GET_PDEATHSIG, ctypes.byref(number))
    return number.value
