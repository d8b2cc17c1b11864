"""`python -m tests.faults.apps.suspended_producer ARGUMENT...`: `hangtag` that suspends itself.

It sends itself SIGSTOP just before its first hint, with the connection for the hint open.
"""

from __future__ import annotations

import os
import signal

from producer.cli import main
from producer.run.job_queue import JobQueue

_hint = JobQueue.hint


def _hint_after_suspension(self: JobQueue, batch: int) -> None:
    JobQueue.hint = _hint  # type: ignore[method-assign]
    self._producer.revive(self._connection.default_channel)
    os.kill(os.getpid(), signal.SIGSTOP)
    _hint(self, batch)


if __name__ == "__main__":
    JobQueue.hint = _hint_after_suspension  # type: ignore[method-assign]
    main.main()
