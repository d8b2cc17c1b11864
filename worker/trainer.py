"""The Celery application of the trainer: `celery -A worker.trainer worker --concurrency 2`.

It runs requests to the owner of the store, each in its own process: the memory of TensorFlow is
released, and the parent, which never imports TensorFlow, can fork safely. One training or import
runs at a time; the second process does other work meanwhile.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import redis
from celery import Celery, bootsteps
from celery.signals import worker_shutting_down
from kombu import Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared import keys, process
from shared.broker.celery_app import make_app
from shared.broker.message_filter import TRAIN_TASK
from shared.broker.redis_client import connect
from shared.failpoints import failpoint
from shared.process import child_id, parent_id
from shared.registry import packaged
from worker.lifecycle import access_check, pool, process_files
from worker.lifecycle.heartbeat_thread import HeartbeatThread, start_heartbeat
from worker.lifecycle.watchdog import Watchdog
from worker.lifecycle.worker_log import log_once
from worker.requests.maintenance import Maintenance, check_shared, waiting
from worker.requests.trainer_state import LongWork, ShutdownNotice

ROLE = "trainer"
#: A training that takes longer counts as hung.
LIMIT_S = 24 * 3600
settings, broker = access_check.configuration()
shutdown, long_work = ShutdownNotice(), LongWork()
app: Celery = make_app(broker, ROLE)
app.conf.update(
    worker_consumer=access_check.CONSUMER,
    task_default_queue=keys.TRAIN_QUEUE,
    task_queues=[Queue(keys.TRAIN_QUEUE)],
    worker_max_tasks_per_child=1,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,  # an idle trainer could not take a prefetched hint
)
_parent_id = ""
worker_shutting_down.connect(shutdown.send)


@app.task(name=TRAIN_TASK, time_limit=LIMIT_S)
def train(request: str) -> str:
    """The task that a hint starts."""
    process.search_seldom()
    from worker.requests.runner import ANSWERED, RequestRunner

    owner = f"{_parent_id or parent_id()}/{child_id(os.getpid())}"
    with log_once(f"request {request}", request=request), process_files.own_folder():
        client = connect(broker, ROLE)
        verdict = RequestRunner(settings, client, owner, shutdown, long_work).take(request)
        if verdict == ANSWERED:
            _hint_next()
        return verdict
    return "failed"


class TrainerStep(bootsteps.StartStopStep):
    """Starts heartbeat, maintenance and watchdog once there is a pool; stops them at the end."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        global _parent_id
        _parent_id = parent_id()  # before the pool forks, so that children know it
        process_files.enter_own_folder()
        # Ends this process if Redis refuses it, or its trainers work in another store.
        access_check.check_access(broker, _parent_id, keys.TRAIN_QUEUE, _check_store)
        packaged.card()  # also before: a thread could be reading it while the pool forks
        self._threads: list[HeartbeatThread | Maintenance | Watchdog] = []

    def start(self, parent: Any) -> None:
        pool.handle_hangup()
        queue = keys.TRAIN_QUEUE
        maintenance = Maintenance(connect(broker, ROLE), settings, _hint, long_work)
        guard = Watchdog(connect(broker, "watchdog"), [queue], settings.watchdog_s, parent)
        heartbeat = start_heartbeat(settings, broker, _parent_id, queue, parent)
        maintenance.start()
        guard.start()
        self._threads = [heartbeat, maintenance, guard]

    def stop(self, parent: Any) -> None:
        shutdown.send()  # Celery sends it for signals only, not if access is denied
        for thread in self._threads:
            thread.stop()
        self._threads = []

    terminate = stop


def _hint_next() -> None:
    """Repeat the hint for the first waiting request: while this trainer was busy with long work,
    hints for more of it were dropped. Without this, the next round of maintenance does so."""
    with suppress(RedisError, OperationalError, OSError):
        for request in waiting(settings)[:1]:
            _hint(request.id)


def _check_store(client: redis.Redis) -> None:
    with suppress(OSError):  # maintenance repeats it
        check_shared(client, settings.store_path)


def _hint(request: str) -> None:
    # Celery would add the task's time limit; workers reject a hint with one (message_filter.py).
    queue = keys.TRAIN_QUEUE
    app.send_task(TRAIN_TASK, args=(request,), queue=queue, retry=False, time_limit=None)
    failpoint("request-hint.repeated")


app.steps["worker"].add(TrainerStep)
