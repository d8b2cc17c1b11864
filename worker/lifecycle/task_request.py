"""A hint in a worker parent: counts what children finish, and reports children that died."""

from __future__ import annotations

from ast import literal_eval
from typing import Any

from billiard.exceptions import WorkerLostError
from celery.worker.request import Request

from worker.lifecycle.heartbeat_thread import running


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
