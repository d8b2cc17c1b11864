"""How a worker parent sees its hints: it counts what children finish and reports who died."""

from __future__ import annotations

from ast import literal_eval
from typing import Any

from billiard.exceptions import WorkerLostError
from celery.worker.request import Request

from worker.lifecycle.heartbeat_thread import running


class BatchRequest(Request):
    """A hint in the parent. Its outcome is told to the pulse; Celery keeps no result."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Celery derives a class for each task, with an `on_success` that calls no other."""
        super().__init_subclass__(**kwargs)
        derived = cls.on_success

        def on_success(self: Request, outcome: tuple[bool, Any, float], **kwargs: Any) -> Any:
            failed, answer, _ = outcome
            if not failed and (pulse := running()):
                pulse.at_work.idle(int(self.worker_pid or 0))
                told = literal_eval(answer)  # the parent gets the answer's repr
                if told is not None:
                    pulse.tally.add(*told)
            return derived(self, outcome, **kwargs)

        cls.on_success = on_success  # type: ignore[assignment,method-assign]

    def on_accepted(self, pid: Any, time_accepted: Any) -> None:
        if pulse := running():
            pulse.at_work.busy(int(pid))
        super().on_accepted(pid, time_accepted)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        error = getattr(exc_info.exception, "exc", exc_info.exception)  # billiard wraps its own
        if self.worker_pid and (pulse := running()):
            lost = isinstance(error, (WorkerLostError, SystemExit)) and len(self.args) == 2
            if lost:
                pulse.died(self.args[0], self.args[1], int(self.worker_pid))
            else:
                pulse.at_work.idle(int(self.worker_pid))
        return super().on_failure(exc_info, *args, **kwargs)
