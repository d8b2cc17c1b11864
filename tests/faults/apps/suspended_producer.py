"""`python -m tests.faults.apps.suspended_producer ARGUMENT...`: the `hangtag` command, which stops
(SIGSTOP) just before its first hint, with the connection for it open, and waits to be woken."""

from __future__ import annotations

import os
import signal

from producer.cli import main
from producer.dispatch.job_queue import JobQueue

_hint = JobQueue.hint


def _hint_when_woken(self: JobQueue, batch: int) -> None:
    JobQueue.hint = _hint  # type: ignore[method-assign]
    with self._app.producer_pool.acquire(block=True) as ready:
        assert ready.connection is not None
        ready.revive(ready.connection.default_channel)
    os.kill(os.getpid(), signal.SIGSTOP)
    _hint(self, batch)


if __name__ == "__main__":
    JobQueue.hint = _hint_when_woken  # type: ignore[method-assign]
    main.main()
