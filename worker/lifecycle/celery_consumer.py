"""A Celery consumer that waits before it reconnects after a server error, and stops the worker if
access is denied. Celery's own reconnects at once."""

from __future__ import annotations

import time
from typing import Any

from celery.exceptions import WorkerShutdown
from celery.worker import state
from celery.worker.consumer import Consumer
from redis.exceptions import ResponseError

from shared.broker.access_errors import access_error
from shared.broker.transport import LONGEST_S, STEP_S
from shared.errors import Exit, ForeignKey, is_foreign
from worker.lifecycle.access_check import note_connected, note_refusal
from worker.lifecycle.outage_log import outages

#: Import path, for the setting `worker_consumer`.
NAME = "worker.lifecycle.celery_consumer:HintConsumer"
#: Errors further apart than this have different causes.
SAME_CAUSE_S = 10.0


class HintConsumer(Consumer):
    """Stops the worker if Redis denies access at its start, or later for longer than the limit."""

    _failed_at = 0.0
    _pause_s = 0.0

    def on_ready(self) -> None:
        note_connected()
        outages.over()
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
        """Back off after an error reply of the server (READONLY, a refusal).

        Broken connections are left to kombu, which waits between its own attempts.
        """
        if is_foreign(error):
            error = ForeignKey(self.app.conf.task_default_queue)
        if access_error(error) is not None:
            note_refusal(error)
        elif not isinstance(error, ResponseError):
            return
        recent = time.monotonic() - self._failed_at < SAME_CAUSE_S
        self._pause_s = min(self._pause_s + STEP_S, LONGEST_S) if recent else STEP_S
        time.sleep(self._pause_s)
        self._failed_at = time.monotonic()
