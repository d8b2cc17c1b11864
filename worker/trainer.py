"""The Celery application of the trainer: `celery -A worker.trainer worker --concurrency 1`.

It answers requests to the owner of the store, one at a time, each in a process of its own: what
TensorFlow has taken is given back, and its parent, which never loads it, may fork again.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, bootsteps
from celery.signals import worker_shutting_down
from kombu import Queue

from shared import keys
from shared.broker.celery_app import make_app
from shared.broker.message_filter import TRAIN_TASK
from shared.broker.redis_client import connect
from shared.failpoints import failpoint
from shared.process import child_id, parent_id
from shared.registry import packaged
from worker.lifecycle import access_check, consumer, pool
from worker.lifecycle.heartbeat_thread import HeartbeatThread, start_heartbeat
from worker.lifecycle.log_once import log_once
from worker.lifecycle.watchdog import Watchdog, watchdog
from worker.requests.lease import end_process
from worker.requests.maintenance import Maintenance
from worker.requests.shutdown import ShutdownNotice

ROLE = "trainer"
#: A training that takes longer hangs.
LIMIT_S = 24 * 3600
settings, broker, events = access_check.configuration()
ending = ShutdownNotice()
app: Celery = make_app(broker, ROLE, events)
app.conf.update(
    worker_consumer=consumer.NAME,
    task_default_queue=keys.TRAIN_QUEUE,
    task_queues=[Queue(keys.TRAIN_QUEUE)],
    worker_max_tasks_per_child=1,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,  # a hint in hand would keep it from an idle trainer
)
_parent = ""
worker_shutting_down.connect(ending.send)


@app.task(name=TRAIN_TASK, time_limit=LIMIT_S)
def train(request: str) -> str:
    """The task behind a hint."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from worker.requests.runner import RequestConsumer

    owner = f"{_parent or parent_id()}/{child_id(os.getpid())}"
    with log_once(f"request {request}"):
        return RequestConsumer(settings, connect(broker, ROLE), owner, ending, _cut_short).take(
            request
        )
    return "failed"


def _cut_short() -> None:
    """Where the pool is made of threads, its process goes on."""
    if parent_id() != _parent:
        end_process()


class TrainerStep(bootsteps.StartStopStep):
    """Starts the pulse and the rounds once there is a pool, ends them with the worker."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        global _parent
        _parent = parent_id()  # before the pool forks, so that children know it
        access_check.check_access(broker, _parent, keys.TRAIN_QUEUE)
        packaged.card()  # likewise: later a thread may be at it while the pool forks
        self._threads: list[HeartbeatThread | Maintenance | Watchdog] = []

    def start(self, parent: Any) -> None:
        queue = keys.TRAIN_QUEUE
        rounds = Maintenance(connect(broker, ROLE), settings, _hint)
        guard = watchdog(connect(broker, "watchdog"), queue, settings.watchdog_s, parent)
        pulse = start_heartbeat(settings, broker, _parent, queue, parent, _no_batch)
        rounds.start()
        guard.start()
        self._threads = [pulse, rounds, guard]
        pool.detect_deaths(parent)

    def stop(self, parent: Any) -> None:
        for thread in self._threads:
            thread.stop()
        self._threads = []

    terminate = stop


def _no_batch(job: str, batch: int) -> None:
    """Rounds queue a hint again at the request of a child that died."""


def _hint(request: str) -> None:
    # Celery would write the task's limit into it; a hint with a limit is nobody's (admission.py).
    queue = keys.TRAIN_QUEUE
    app.send_task(TRAIN_TASK, args=(request,), queue=queue, retry=False, time_limit=None)
    failpoint("request-hint.repeated")


app.steps["worker"].add(TrainerStep)
