"""The `hangtag` command as it is, which also notes when results reach the producer."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from benchmarks.environment.paths import BEGAN, TRACE
from producer.cli.main import main
from producer.dispatch.job_queue import JobQueue, Result

_results = JobQueue.results
_seen: list[tuple[float, int]] = []  # when, how many batches


def results(self: JobQueue, block_ms: int) -> list[Result]:
    """What `Channel.results` does."""
    found = _results(self, block_ms)
    if found:
        _seen.append((time.monotonic(), len(found)))
    return found


def write_trace() -> None:
    """Seconds since the command was started, to the first and to the last result."""
    if not _seen:
        return
    began = float(os.environ[BEGAN])
    batches = sum(count for _, count in _seen)
    # What had come by the first look was done before the span between the two.
    share = 1 - _seen[0][1] / batches
    times = {"first_s": _seen[0][0] - began, "last_s": _seen[-1][0] - began, "share": share}
    Path(os.environ[TRACE]).write_text(json.dumps(times))


if __name__ == "__main__":
    JobQueue.results = results  # type: ignore[method-assign]
    try:
        main()
    finally:
        write_trace()
