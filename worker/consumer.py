"""Celery's consumer begins anew after every error of the server; here not after a refusal."""

from __future__ import annotations

from typing import Any

from celery.exceptions import WorkerShutdown
from celery.worker.consumer import Consumer

from shared.exits import Exit
from shared.refusal import refused
from worker.login import turned_away

#: Its place, for the setting `worker_consumer`.
NAME = "worker.consumer:HintConsumer"


class HintConsumer(Consumer):
    """Ends the worker where Redis denies what a worker needs."""

    def on_connection_error_before_connected(self, exc: Any) -> None:
        _end_if_refused(exc)
        super().on_connection_error_before_connected(exc)

    def on_connection_error_after_connected(self, exc: Any) -> None:
        _end_if_refused(exc)
        super().on_connection_error_after_connected(exc)


def _end_if_refused(error: BaseException) -> None:
    if refused(error):
        turned_away(error)
        raise WorkerShutdown(int(Exit.SETUP))
