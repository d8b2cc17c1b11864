"""A thread of a worker parent that writes its heartbeat and reports dead children.

It is a thread because Celery's event loop blocks while it reconnects, and children that hold claims
must not look dead then.

Celery reports a child's death half a second or more after the child has left the pool. If the child
left the heartbeat as early, another worker would take its batch before the death is counted against
the batch, and an image that kills its decoder would kill more often before it is found. So the
heartbeat lists a dead child with a hint until its death is counted.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from ast import literal_eval
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

import redis
from billiard.exceptions import WorkerLostError
from celery.worker.request import Request
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared import logs
from shared.broker.address import Address
from shared.broker.celery_app import send_hint
from shared.broker.message_filter import CLASSIFY_TASK
from shared.broker.redis_client import connect
from shared.errors import BrokerRefuses, ForeignKey
from shared.failpoints import failpoint
from shared.ledger import heartbeats
from shared.ledger.batch_ledger import BatchLedger
from shared.ledger.heartbeats import Heartbeat
from shared.process import child_id, resident_bytes
from shared.settings import Settings
from shared.throughput import Rate
from worker.lifecycle import pool, process_files
from worker.lifecycle.access_check import refusals
from worker.lifecycle.child_records import WorkerStats
from worker.lifecycle.pool import fork_lock
from worker.lifecycle.process_files import Liveness

log = logging.getLogger(__name__)
RETRY_S = 0.5
#: Celery reports a death within this time, or not at all.
REPORTED_WITHIN_S = 5.0
_running: HeartbeatThread | None = None


class Death(NamedTuple):
    """The death of a child that worked on a hint."""

    job: str
    batch: int
    pid: int
    queue: str  #: of the hint


def running() -> HeartbeatThread | None:
    """The thread that `start_heartbeat` started in this process; in a child, in its parent."""
    return _running


def start_heartbeat(
    settings: Settings,
    broker: Address,
    worker_id: str,
    queue: str,
    parent: Any,
    runtimes: Sequence[str] = (),
) -> HeartbeatThread:
    """Start the heartbeat of a Celery worker `parent`, whose pool has started."""
    global _running
    pool.keep_assigned(parent.pool)
    client = connect(broker, "pulse")
    _running = HeartbeatThread(settings, client, worker_id, queue, parent, runtimes)
    pool.notify_forks(parent.pool, _running.forked)
    pool.detect_deaths(parent)
    _running.start()
    return _running


class HeartbeatThread(threading.Thread):
    """One per worker parent."""

    def __init__(
        self,
        settings: Settings,
        client: redis.Redis,
        worker_id: str,
        queue: str,
        parent: Any,
        runtimes: Sequence[str] = (),
    ) -> None:
        super().__init__(name="hangtag-heartbeat", daemon=True)
        self.worker_id, self.stats = worker_id, WorkerStats()
        self._client, self._queue, self._parent = client, queue, parent
        self._interval_s, self._ttl_s = settings.heartbeat_s, settings.heartbeat_ttl_s
        self._runtimes = list(runtimes)
        self._beaten_s: float | None = None  #: when Redis last accepted a heartbeat (monotonic)
        self._child_ids: dict[int, str] = {}  #: by pid; unreadable once a child is dead
        #: pid of a dead child with a hint -> when it was first missing from the pool (monotonic, s)
        self._missing_since_s: dict[int, float] = {}
        self._deaths: deque[Death] = deque()  #: that are not counted yet
        self._is_stopping, self._woken = False, threading.Event()
        self._start_s, self._started_ms = time.monotonic(), 0
        self._rate = Rate()
        self._rate.mark(self._start_s, 0)

    def forked(self, pid: int) -> None:
        """Record the id of a new child. The main thread calls it."""
        self._child_ids[pid] = child_id(pid)

    def died(self, death: Death) -> None:
        """Queue the report of a death: the main thread, which calls it, must not wait for Redis."""
        self._deaths.append(death)
        self._woken.set()

    def stop(self) -> None:
        """End the thread and withdraw the heartbeat."""
        self._is_stopping = True
        self._woken.set()
        self.join(timeout=2 * self._interval_s)

    def run(self) -> None:
        due = 0.0
        while not self._is_stopping:
            self._woken.clear()
            self._try(self._report_deaths)  # before a heartbeat that no longer lists the dead
            if time.monotonic() >= due:
                sent = self._try(self._beat)
                due = time.monotonic() + (self._interval_s if sent else RETRY_S)
            self._try(self._write_liveness)
            self._woken.wait(RETRY_S if self._deaths else max(0.0, due - time.monotonic()))
        self._try(partial(heartbeats.stop, self._client, self.worker_id))

    def _try(self, step: Callable[[], None]) -> bool:
        """Whether the step succeeded; if not, it is retried, or a timeout replaces it.

        No exception ends this thread: without it a living worker would count as dead.
        """
        try:
            with fork_lock.delay_forks():
                step()
        except BrokerRefuses as error:
            refusals.refused(error)
            return False
        except (RedisError, OperationalError) as error:
            log.debug("the heartbeat failed and is retried: %s", error)
            return False
        except Exception:
            log.exception("unexpected error in the heartbeat thread; it retries")
            return False
        return True

    def _beat(self) -> None:
        # Read the clock before the children: a claim made in between is newer than the heartbeat.
        at_ms = heartbeats.server_ms(self._client)
        heartbeats.beat(self._client, self._heartbeat(at_ms), self._ttl_s)
        # Only after success: the next heartbeat includes the images of a failed one.
        self._beaten_s = time.monotonic()
        self._rate.mark(self._beaten_s, self.stats.images)

    def _heartbeat(self, at_ms: int) -> Heartbeat:
        pids, busy = pool.pids(self._parent.pool), pool.assigned(self._parent.pool)
        return Heartbeat(
            id=self.worker_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            queue=self._queue,
            children=[self._id(pid) for pid in (*pids, *self._uncounted(pids, busy))],
            versions=self.stats.versions(pids),
            images=self.stats.images,
            rate=self._rate.rate_at(time.monotonic(), self.stats.images),
            memory_bytes=sum(resident_bytes(pid) for pid in {os.getpid(), *pids}),
            at_ms=at_ms,
            since_ms=self._since_ms(at_ms),
            failures=self.stats.failures,
            idle=[self._id(pid) for pid in pids if pid not in busy],
            runtimes=self._runtimes,
        )

    def _uncounted(self, living: Collection[int], busy: Collection[int]) -> list[int]:
        """The dead children with a hint whose death may still be counted."""
        now, since_s = time.monotonic(), self._missing_since_s
        dead = {*busy, *(death.pid for death in tuple(self._deaths))}.difference(living)
        self._missing_since_s = {pid: since_s.get(pid, now) for pid in dead}
        return [p for p, at_s in self._missing_since_s.items() if now - at_s < REPORTED_WITHIN_S]

    def _id(self, pid: int) -> str:
        return self._child_ids.get(pid) or child_id(pid)

    def _write_liveness(self) -> None:
        process_files.write_liveness(Liveness(time.monotonic(), self._beaten_s))

    def _since_ms(self, at_ms: int) -> int:
        """When this worker started, by the server's clock at the first heartbeat."""
        if not self._started_ms:
            self._started_ms = at_ms - int((time.monotonic() - self._start_s) * 1000)
        return self._started_ms

    def _report_deaths(self) -> None:
        while self._deaths:
            death = self._deaths[0]
            with logs.about(job=death.job, batch=death.batch):
                self._report(death)
            self._deaths.popleft()

    def _report(self, death: Death) -> None:
        job, batch, pid, queue = death
        try:
            if BatchLedger(self._client, job, 0).report_death(batch, f"{self.worker_id}/{pid}:"):
                log.warning("child %d died with batch %d of job %s", pid, batch, job)
                send_hint(self._parent.app, CLASSIFY_TASK, queue, job, batch)
                failpoint("hint.repeated")
        except ForeignKey as error:
            log.warning("cannot record a death in job %s: %s", job, error)


class BatchRequest(Request):
    """Reports its outcome to the heartbeat thread; Celery stores no result."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Celery derives a class for each task, with an `on_success` that calls no other."""
        super().__init_subclass__(**kwargs)
        derived = cls.on_success

        def on_success(self: Request, outcome: tuple[bool, Any, float], **kwargs: Any) -> Any:
            failed, value, _ = outcome
            report = None if failed else literal_eval(value)  # the parent gets the value's repr
            if report is not None and (heartbeat := running()):
                heartbeat.stats.add(*report)
            return derived(self, outcome, **kwargs)

        cls.on_success = on_success  # type: ignore[assignment,method-assign]

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        error = getattr(exc_info.exception, "exc", exc_info.exception)  # billiard wraps its errors
        lost = isinstance(error, (WorkerLostError, SystemExit)) and len(self.args) == 2
        if lost and self.worker_pid and (heartbeat := running()):
            job, batch = self.args
            queue = str(self.delivery_info["routing_key"])
            heartbeat.died(Death(job, batch, int(self.worker_pid), queue))
        return super().on_failure(exc_info, *args, **kwargs)
