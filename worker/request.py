"""How a worker parent sees its hints: it counts what children finish and reports who died."""

from __future__ import annotations

from typing import Any

from billiard.exceptions import WorkerLostError
from celery.worker.request import Request

from worker.pulse import Pulse

#: Set once by worker/app.py, in the parent, before any request exists.
pulse: Pulse | None = None


class BatchRequest(Request):
    """A hint in the parent. Its outcome is told to the pulse; Celery keeps no result."""

    def on_success(self, failed__retval__runtime: tuple[bool, Any, float], **kwargs: Any) -> Any:
        failed, answer, _ = failed__retval__runtime
        if not failed and pulse is not None and isinstance(answer, (list, tuple)):
            pulse.count(*answer)
        return super().on_success(failed__retval__runtime, **kwargs)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        lost = isinstance(exc_info.exception, (WorkerLostError, SystemExit))
        if lost and pulse is not None and self.worker_pid and len(self.args) == 2:
            pulse.died(self.args[0], self.args[1], int(self.worker_pid))
        return super().on_failure(exc_info, *args, **kwargs)
