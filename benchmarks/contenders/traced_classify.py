"""The unchanged `hangtag` command, which also records when results reach the producer."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from benchmarks.environment.paths import TRACE
from producer.cli.main import main
from producer.run.job_queue import JobQueue, Result

_results = JobQueue.results
_received: list[tuple[float, int]] = []  # when, how many batches


def results(self: JobQueue, block_ms: int) -> list[Result]:
    """`JobQueue.results`, with a record of the time."""
    found = _results(self, block_ms)
    if found:
        _received.append((time.monotonic(), len(found)))
    return found


def write_trace() -> None:
    """Write the seconds between the first and the last result, and the share of the batches that
    came in between."""
    if not _received:
        return
    batches = sum(count for _, count in _received)
    # The batches of the first poll were done before the measured span.
    share = 1 - _received[0][1] / batches
    times = {"steady_s": _received[-1][0] - _received[0][0], "share": share}
    Path(os.environ[TRACE]).write_text(json.dumps(times))


if __name__ == "__main__":
    JobQueue.results = results  # type: ignore[method-assign]
    try:
        main()
    finally:
        write_trace()
