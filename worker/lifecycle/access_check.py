"""Checks that Redis grants this worker access, and stops the worker with one line if not.

Outages are retried. A wrong password, an untrusted certificate or a missing permission stops a
starting worker at once. A worker that was connected before retries for a while, so that a password
rotation or a reload of the ACL file does not stop all workers.
"""

from __future__ import annotations

import atexit
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import redis
from celery.apps import worker as celery_worker
from celery.exceptions import SecurityWarning, WorkerShutdown
from celery.signals import after_setup_logger, after_setup_task_logger, celeryd_init
from celery.worker import state
from celery.worker.consumer import Consumer
from redis.exceptions import RedisError, ResponseError

from shared import logs
from shared.broker.access_errors import access_error
from shared.broker.address import Address
from shared.broker.redis_client import connect
from shared.broker.runtime_paths import broker_url
from shared.errors import Exit, ForeignKey, SetupError, is_foreign
from shared.ledger import heartbeats
from shared.settings import Settings
from worker.lifecycle import worker_log
from worker.lifecycle.worker_log import outages

log = logging.getLogger(__name__)
#: Refusals further apart than this have different causes: each part of a worker retries more often.
SAME_CAUSE_S = 15.0
#: The start of a warning of six lines to root. In a container root is usual, and messages hold no
#: code.
AS_ROOT = "You're running the worker with superuser privileges"
#: Import path, for the setting `worker_consumer`.
CONSUMER = "worker.lifecycle.access_check:HintConsumer"
#: Before a worker connects again after an error reply of the server.
PAUSE_S = 1.0


def configuration() -> tuple[Settings, Address]:
    """The settings and the broker.

    An invalid configuration ends this process with one line.
    """
    try:
        settings = Settings.from_env()
        broker = broker_url(settings)
        if settings.has_json_logs:
            _log_json()
    except SetupError as error:
        _end(error)
    refusals.limit_s = settings.refused_s
    warnings.filterwarnings("ignore", AS_ROOT, SecurityWarning)
    return settings, broker


def check_access(
    broker: Address,
    worker_id: str,
    queue: str,
    check: Callable[[redis.Redis], None] = lambda client: None,
) -> None:
    """End this process, which has started no work yet, if Redis refuses it, or if `check` raises
    SetupError.

    The check runs two operations that every worker needs: it withdraws a heartbeat and reads the
    length of the queue.
    """
    try:
        with connect(broker, "pulse") as client:
            heartbeats.stop(client, worker_id)
            client.llen(queue)
            check(client)
    except SetupError as error:
        _end(error)
    except RedisError:
        pass  # unreachable: Celery retries


class RefusalLimit:
    """Limits how long a connected worker is refused before it stops. Used by all its threads.

    A worker that never connected stops at the first refusal.
    """

    def __init__(self, limit_s: float) -> None:
        self.was_connected = False
        self.limit_s = limit_s
        self._since = self._last = -SAME_CAUSE_S
        self._over = False
        self._lock = threading.Lock()

    def refused(self, error: BaseException) -> None:
        """Record a refusal; shut the worker down once refusals have lasted for the limit."""
        with self._lock:
            now = time.monotonic()
            if self.was_connected and now - self._last > SAME_CAUSE_S:
                self._since = now
                log.warning("Redis refuses this worker; it retries for %g s", self.limit_s)
            self._last = now
            if self._over or (self.was_connected and now - self._since < self.limit_s):
                return
            self._over = True
        stop_worker(access_error(error) or error)


def stop_worker(error: BaseException) -> None:
    """Shut this worker down, from any thread of the parent: it cannot work."""
    log.critical("%s; the worker stops", error)
    state.should_stop = int(Exit.SETUP)  # type: ignore[assignment]


#: Of this worker, for any thread of the parent; `configuration` sets its limit.
refusals = RefusalLimit(Settings().refused_s)


def _log_json() -> None:
    """Have this process and its children print JSON alone, also if Celery's command has started
    it."""

    def use(logger: logging.Logger, **_: Any) -> None:
        for handler in logger.handlers:
            handler.setFormatter(logs.JsonLines())

    def silence(instance: celery_worker.Worker, **_: Any) -> None:
        instance.quiet = True  # type: ignore[attr-defined]  # no banner
        celery_worker.safe_say = say_nothing  # type: ignore[attr-defined]

    for signal in (after_setup_logger, after_setup_task_logger):
        signal.connect(use, weak=False)
    celeryd_init.connect(silence, weak=False)
    if not worker_log.is_diverted():
        atexit.register(worker_log.restore, worker_log.divert())


def say_nothing(message: str, file: object = None) -> None:
    """Celery prints on standard output that it shuts down, and for a person what Ctrl-C does."""


def _end(error: SetupError) -> NoReturn:
    if logs.wants_json():
        print(logs.json_line(__name__, str(error)), file=sys.__stderr__, flush=True)
        raise SystemExit(Exit.SETUP.value)
    raise SystemExit(f"hangtag: {error}")  # Python prints it and exits with 1, Exit.SETUP


class HintConsumer(Consumer):
    """Stops the worker if Redis denies access at its start, or later for longer than the limit, and
    waits before it reconnects after a server error. Celery's own reconnects at once."""

    def on_ready(self) -> None:
        refusals.was_connected = True
        outages.log_end()
        super().on_ready()

    def on_connection_error_before_connected(self, exc: Any) -> None:
        self._wait(exc)
        if state.should_stop is not None:
            raise WorkerShutdown(int(Exit.SETUP))
        super().on_connection_error_before_connected(exc)

    def on_connection_error_after_connected(self, exc: Any) -> None:
        self._wait(exc)
        super().on_connection_error_after_connected(exc)

    def _wait(self, error: BaseException) -> None:
        """Wait after an error reply of the server (READONLY, a refusal).

        Broken connections are left to kombu, which waits between its own attempts.
        """
        if is_foreign(error):
            error = ForeignKey(self.app.conf.task_default_queue)
        if access_error(error) is not None:
            refusals.refused(error)
        elif not isinstance(error, ResponseError):
            return
        time.sleep(PAUSE_S)
