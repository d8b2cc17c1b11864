"""A thread of a worker parent that writes its heartbeat and reports dead children.

It is a thread because Celery's event loop blocks while it reconnects, and children that hold claims
must not look dead then.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
import time
from ast import literal_eval
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import redis
from billiard.exceptions import WorkerLostError
from celery.worker.request import Request
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared import logs
from shared.broker.address import Address
from shared.broker.redis_client import connect
from shared.errors import BrokerRefuses, ForeignKey
from shared.ledger import heartbeats
from shared.ledger.batch_ledger import BatchLedger
from shared.ledger.heartbeats import Heartbeat
from shared.process import resident_bytes
from shared.settings import Settings
from shared.throughput import Rate
from worker.lifecycle import pool
from worker.lifecycle.access_check import refusals
from worker.lifecycle.child_records import BusyProcesses, WorkerStats
from worker.lifecycle.pool import fork_lock
from worker.lifecycle.process_files import LivenessFile, remove_dead_files

log = logging.getLogger(__name__)
RETRY_S = 0.5
#: The main thread queues deaths, since it must never wait for Redis.
Death = tuple[str, int, int, str]  # job, batch, the child's pid, the queue of the hint
#: Queues a batch again: job, batch, queue.
Hint = Callable[[str, int, str], None]
_running: HeartbeatThread | None = None


def running() -> HeartbeatThread | None:
    """The thread that `start_heartbeat` started in this process; in a child, in its parent."""
    return _running


def start_heartbeat(
    settings: Settings,
    broker: Address,
    worker_id: str,
    queue_name: str,
    parent: Any,
    hint: Hint,
    runtimes: Sequence[str] = (),
) -> HeartbeatThread:
    """Start the heartbeat of a Celery worker `parent`, whose pool has started.

    `hint` queues a batch again whose child has died.
    """
    global _running
    remove_dead_files(settings)
    _running = HeartbeatThread(
        connect(broker, "pulse"),
        worker_id,
        queue_name,
        lambda: pool.pids(parent.pool),
        hint,
        settings.heartbeat_s,
        settings.heartbeat_ttl_s,
        WorkerStats(),
        LivenessFile(settings, worker_id),
        runtimes,
    )
    pool.keep_assigned(parent.pool)
    _running.busy_processes.assigned = lambda: pool.assigned(parent.pool)
    pool.notify_forks(parent.pool, _running.busy_processes.started)
    _running.start()
    return _running


class HeartbeatThread(threading.Thread):
    """One per worker parent. `children` returns the pids of its living pool processes."""

    def __init__(
        self,
        client: redis.Redis,
        worker_id: str,
        queue_name: str,
        children: Callable[[], list[int]],
        hint: Hint,
        interval_s: float,
        ttl_s: float,
        stats: WorkerStats,
        liveness: LivenessFile | None = None,
        runtimes: Sequence[str] = (),
    ) -> None:
        super().__init__(name="hangtag-heartbeat", daemon=True)
        self.worker_id, self.stats, self.busy_processes = worker_id, stats, BusyProcesses()
        self._client, self._queue_name = client, queue_name
        self._children, self._hint = children, hint
        self._interval_s, self._ttl_s = interval_s, ttl_s
        self._liveness, self._runtimes = liveness, list(runtimes)
        self._deaths: queue.SimpleQueue[Death | None] = queue.SimpleQueue()
        self._pending: list[Death] = []
        self._start_s, self._started_ms = time.monotonic(), 0
        self._rate = Rate()
        self._rate.mark(self._start_s, 0)

    def died(self, job: str, batch: int, pid: int, queue: str) -> None:
        """Queue the report that a child died while it worked on this hint, which was in `queue`."""
        self._deaths.put((job, batch, pid, queue))

    def stop(self) -> None:
        """End the thread and withdraw the heartbeat."""
        self._deaths.put(None)
        self.join(timeout=2 * self._interval_s)

    def run(self) -> None:
        due = 0.0
        while True:
            sent = False
            self._try(self._report_deaths)  # before a heartbeat that no longer lists the dead
            if time.monotonic() >= due:
                sent = self._try(self._beat)
                due = time.monotonic() + (self._interval_s if sent else RETRY_S)
            self._try(partial(self._update_liveness, sent))
            wait_s = RETRY_S if self._pending else max(0.0, due - time.monotonic())
            try:
                death = self._deaths.get(timeout=wait_s)
            except queue.Empty:
                continue
            if death is None:
                break
            self._pending.append(death)
        self._try(self._withdraw)

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
        self._rate.mark(time.monotonic(), self.stats.images)

    def _heartbeat(self, at_ms: int) -> Heartbeat:
        pids = self._children()
        return Heartbeat(
            id=self.worker_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            queue=self._queue_name,
            children=self.busy_processes.listed(pids),
            versions=self.stats.versions(pids),
            images=self.stats.images,
            rate=self._rate.seen(time.monotonic(), self.stats.images),
            memory_bytes=sum(resident_bytes(pid) for pid in {os.getpid(), *pids}),
            at_ms=at_ms,
            since_ms=self._since_ms(at_ms),
            failures=self.stats.failures,
            idle=self.busy_processes.idle_of(pids),
            runtimes=self._runtimes,
        )

    def _since_ms(self, at_ms: int) -> int:
        """When this worker started, by the server's clock at the first heartbeat."""
        if not self._started_ms:
            self._started_ms = at_ms - int((time.monotonic() - self._start_s) * 1000)
        return self._started_ms

    def _report_deaths(self) -> None:
        while self._pending:
            job, batch, pid, origin = self._pending[0]
            with logs.about(job=job, batch=batch):
                self._report(job, batch, pid, origin)
            self._pending.pop(0)
            self.busy_processes.reported(pid)

    def _report(self, job: str, batch: int, pid: int, origin: str) -> None:
        try:
            if BatchLedger(self._client, job, 0).report_death(batch, f"{self.worker_id}/{pid}:"):
                log.warning("child %d died with batch %d of job %s", pid, batch, job)
                self._hint(job, batch, origin)
        except ForeignKey as error:
            log.warning("cannot record a death in job %s: %s", job, error)

    def _update_liveness(self, sent: bool) -> None:
        if self._liveness:
            self._liveness.update(sent)

    def _withdraw(self) -> None:
        if self._liveness:
            self._liveness.withdraw()
        heartbeats.stop(self._client, self.worker_id)


class BatchRequest(Request):
    """Reports its outcome to the heartbeat thread; Celery stores no result."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Celery derives a class for each task, with an `on_success` that calls no other."""
        super().__init_subclass__(**kwargs)
        derived = cls.on_success

        def on_success(self: Request, outcome: tuple[bool, Any, float], **kwargs: Any) -> Any:
            failed, value, _ = outcome
            if not failed and (heartbeat := running()):
                heartbeat.busy_processes.idle(int(self.worker_pid or 0))
                report = literal_eval(value)  # the parent gets the value's repr
                if report is not None:
                    heartbeat.stats.add(*report)
            return derived(self, outcome, **kwargs)

        cls.on_success = on_success  # type: ignore[assignment,method-assign]

    def on_accepted(self, pid: Any, time_accepted: Any) -> None:
        if heartbeat := running():
            heartbeat.busy_processes.busy(int(pid))
        super().on_accepted(pid, time_accepted)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        error = getattr(exc_info.exception, "exc", exc_info.exception)  # billiard wraps its errors
        if self.worker_pid and (heartbeat := running()):
            lost = isinstance(error, (WorkerLostError, SystemExit)) and len(self.args) == 2
            if lost:
                queue = str(self.delivery_info["routing_key"])
                heartbeat.died(self.args[0], self.args[1], int(self.worker_pid), queue)
            else:
                heartbeat.busy_processes.idle(int(self.worker_pid))
        return super().on_failure(exc_info, *args, **kwargs)
