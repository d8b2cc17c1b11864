"""The Celery application of the workers: `celery -A worker.app worker`."""

from __future__ import annotations

import importlib
from typing import Any

from celery import Celery, bootsteps
from celery.signals import worker_process_init
from kombu import Queue

from shared import keys, runtimes
from shared.broker.celery_app import make_app
from shared.broker.message_filter import CLASSIFY_TASK
from shared.broker.redis_client import connect
from shared.broker.runtime_paths import wanted_children
from shared.process import parent_id
from worker.classify import resource_limits
from worker.lifecycle import access_check, first_import, pool, process_files
from worker.lifecycle.child_records import ChildReport
from worker.lifecycle.heartbeat_thread import start_heartbeat
from worker.lifecycle.watchdog import Watchdog
from worker.lifecycle.worker_log import log_once

settings, broker = access_check.configuration()
app: Celery = make_app(broker, "worker")
#: In the order of the table, so the first queue is that of LiteRT.
_runtimes = runtimes.installed()
_queues = list(dict.fromkeys(row.queue for row in _runtimes))
app.conf.update(
    worker_consumer=access_check.CONSUMER, task_queues=[Queue(queue) for queue in _queues]
)
_child: Any = None  # a worker.classify.process_state.ProcessState, created in the child
_parent_id = ""


@app.task(name=CLASSIFY_TASK, Request="worker.lifecycle.heartbeat_thread:BatchRequest")
def classify(job: str, batch: int) -> ChildReport | None:
    """The task that a hint starts."""
    from worker.classify.classify_batch import classify as classify_batch

    with log_once(f"batch {batch} of job {job}", job=job, batch=batch):
        return classify_batch(child(), job, batch)
    return None


def child() -> Any:
    """The state of this process. It imports NumPy, Pillow and the runtime, after the fork."""
    global _child
    if _child is None:
        from worker.classify.process_state import ProcessState

        _child = ProcessState(settings, broker, _parent_id or parent_id())
    return _child


@worker_process_init.connect
def _prepare(**_: Any) -> None:
    with first_import.reported():
        resource_limits.keep_memory()
        child()
        importlib.import_module("worker.classify.classify_batch")


class HeartbeatStep(bootsteps.StartStopStep):
    """Starts the heartbeat once there is a pool, and stops it after the pool."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        global _parent_id
        _parent_id = parent_id()  # before the pool forks, so that children know it
        process_files.enter_own_folder()
        first_import.expect()
        # Ends this process if Redis refuses it.
        access_check.check_access(broker, _parent_id, keys.CLASSIFY_QUEUE)

    def start(self, parent: Any) -> None:
        pool.handle_hangup()
        if pool.has_forked(parent.pool):
            first_import.check()  # before a heartbeat: nothing counts on a worker that cannot work
        names = [row.name for row in _runtimes]
        self._heartbeat = start_heartbeat(
            settings, broker, _parent_id, keys.CLASSIFY_QUEUE, parent, names
        )
        pool.follow(parent, lambda: wanted_children(settings))
        client = connect(broker, "watchdog")
        self._watchdog = Watchdog(client, _queues, settings.watchdog_s, parent)
        self._watchdog.start()

    def stop(self, parent: Any) -> None:
        self._watchdog.stop()
        # Celery would wait for the children next. A claim without a heartbeat is free, and another
        # worker would repeat the batches that they finish.
        try:
            parent.pool.stop()
        finally:
            self._heartbeat.stop()

    def terminate(self, parent: Any) -> None:
        self._watchdog.stop()
        self._heartbeat.stop()


app.steps["worker"].add(HeartbeatStep)
