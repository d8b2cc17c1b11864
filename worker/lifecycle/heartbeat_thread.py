"""The pulse of a worker parent: a thread that writes its heartbeat and reports dead children.

It is a thread because Celery's own loop stands still while it reconnects, and children that hold
claims must not seem dead then.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import redis
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.broker import wrong_type
from shared.broker.address import Address
from shared.broker.redis_client import connect
from shared.broker.wrong_type import is_foreign
from shared.errors import BrokerRefuses
from shared.ledger import heartbeats
from shared.ledger.batches import BatchLedger
from shared.ledger.heartbeats import Heartbeat
from shared.process import resident_bytes
from shared.settings import Settings
from shared.throughput import Rate
from worker.lifecycle import pool
from worker.lifecycle.access_check import note_refusal
from worker.lifecycle.busy_processes import BusyProcesses
from worker.lifecycle.fork_lock import gate
from worker.lifecycle.liveness_file import LivenessFile
from worker.lifecycle.stats import WorkerStats

log = logging.getLogger(__name__)
RETRY_S = 0.5
#: A parent's main thread never waits for Redis: it leaves deaths here.
Death = tuple[str, int, int]  # job, batch, the child's pid
_running: HeartbeatThread | None = None


def running() -> HeartbeatThread | None:
    """The pulse that `start_heartbeat` has made in this process, or in the parent of a child."""
    return _running


def start_heartbeat(
    settings: Settings,
    broker: Address,
    worker_id: str,
    queue_name: str,
    parent: Any,
    hint: Callable[[str, int], None],
) -> HeartbeatThread:
    """Start the pulse of a Celery worker `parent`, which has a pool by now.

    `hint` queues a batch once more whose child has died.
    """
    global _running
    _running = HeartbeatThread(
        connect(broker, "pulse"),
        worker_id,
        queue_name,
        lambda: pool.pids(parent.pool),
        hint,
        settings.heartbeat_s,
        settings.heartbeat_ttl_s,
        WorkerStats(settings.model_unused_s),
        LivenessFile(settings, worker_id),
    )
    pool.notify_forks(parent.pool, _running.at_work.started)
    _running.start()
    return _running


class HeartbeatThread(threading.Thread):
    """One per worker parent. `children` answers the pids of its living pool processes."""

    def __init__(
        self,
        client: redis.Redis,
        worker_id: str,
        queue_name: str,
        children: Callable[[], list[int]],
        hint: Callable[[str, int], None],
        interval_s: float,
        ttl_s: float,
        tally: WorkerStats,
        sign: LivenessFile | None = None,
    ) -> None:
        super().__init__(name="hangtag-pulse", daemon=True)
        self.worker_id, self.tally, self.at_work = worker_id, tally, BusyProcesses()
        self._client, self._queue_name = client, queue_name
        self._children, self._hint = children, hint
        self._interval_s, self._ttl_s = interval_s, ttl_s
        self._sign = sign
        self._deaths: queue.SimpleQueue[Death | None] = queue.SimpleQueue()
        self._pending: list[Death] = []
        self._begun, self._started_ms = time.monotonic(), 0
        self._rate = Rate()
        self._rate.mark(self._begun, 0)

    def died(self, job: str, batch: int, pid: int) -> None:
        """A child died with this hint in hand."""
        self._deaths.put((job, batch, pid))

    def stop(self) -> None:
        """End the thread and withdraw the heartbeat."""
        self._deaths.put(None)
        self.join(timeout=2 * self._interval_s)

    def run(self) -> None:
        due = 0.0
        while True:
            beaten = False
            self._tried(self._bury)  # before a beat that says no more who they were
            if time.monotonic() >= due:
                beaten = self._tried(self._beat)
                due = time.monotonic() + (self._interval_s if beaten else RETRY_S)
            self._tried(partial(self._tell, beaten))
            wait_s = RETRY_S if self._pending else max(0.0, due - time.monotonic())
            try:
                death = self._deaths.get(timeout=wait_s)
            except queue.Empty:
                continue
            if death is None:
                break
            self._pending.append(death)
        self._tried(self._withdraw)

    def _tried(self, duty: Callable[[], None]) -> bool:
        """Whether it went well; if not, it is tried again, or time does it.

        Whatever it is that fails: without this thread a living worker would count as dead.
        """
        try:
            with gate.at_work():
                duty()
        except BrokerRefuses as error:
            note_refusal(error)
            return False
        except (RedisError, OperationalError) as error:
            log.debug("the pulse falters: %s", error)
            return False
        except Exception:
            log.exception("the pulse falters for a reason nobody foresaw")
            return False
        return True

    def _beat(self) -> None:
        # The clock before the children: a claim made in between is newer than the beat.
        at_ms = heartbeats.server_ms(self._client)
        try:
            heartbeats.beat(self._client, self._heartbeat(at_ms), self._ttl_s)
        except RedisError as error:
            if is_foreign(error):
                self._mend()
            raise
        # Only now: what a beat that failed would have told is in the next one.
        self._rate.mark(time.monotonic(), self.tally.images)

    def _mend(self) -> None:
        """Make room for heartbeats and hints where somebody has put something else."""
        gone = wrong_type.remove(self._client, wrong_type.worker_types(self._queue_name))
        log.warning("deleted from Redis, as it was not Hangtag's: %s", ", ".join(gone))

    def _heartbeat(self, at_ms: int) -> Heartbeat:
        pids = self._children()
        return Heartbeat(
            id=self.worker_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            queue=self._queue_name,
            children=self.at_work.listed(pids),
            versions=self.tally.versions(pids),
            images=self.tally.images,
            rate=self._rate.seen(time.monotonic(), self.tally.images),
            memory_bytes=sum(resident_bytes(pid) for pid in {os.getpid(), *pids}),
            at_ms=at_ms,
            since_ms=self._since_ms(at_ms),
            failures=self.tally.failures,
        )

    def _since_ms(self, at_ms: int) -> int:
        """When this worker started, as the server's clock was at the first beat."""
        if not self._started_ms:
            self._started_ms = at_ms - int((time.monotonic() - self._begun) * 1000)
        return self._started_ms

    def _bury(self) -> None:
        while self._pending:
            job, batch, pid = self._pending[0]
            try:
                if BatchLedger(self._client, job, 0).report_death(
                    batch, f"{self.worker_id}/{pid}:"
                ):
                    log.warning("child %d died with batch %d of job %s", pid, batch, job)
                    self._hint(job, batch)
            except RedisError as error:
                if not is_foreign(error):
                    raise
                log.warning("a death in job %s cannot be noted: %s", job, error)
            self._pending.pop(0)
            self.at_work.reported(pid)

    def _tell(self, beaten: bool) -> None:
        if self._sign:
            self._sign.turned(beaten)

    def _withdraw(self) -> None:
        if self._sign:
            self._sign.withdraw()
        heartbeats.stop(self._client, self.worker_id)
