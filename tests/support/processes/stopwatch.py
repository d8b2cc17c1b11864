"""A duration that does not depend on how busy the machine is."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from tests.support.processes import procfs


class Stopwatch:
    """Seconds since its start, without those for which this process, its children and theirs waited
    for a processor: the kernel counts them for each thread. Sleeping and waiting for others count.
    """

    def __init__(self) -> None:
        self._start_s, self._before = time.monotonic(), _waits_s()

    @property
    def seconds(self) -> float:
        gone_s = time.monotonic() - self._start_s
        waits_s = (after - self._before.get(who, 0.0) for who, after in _waits_s().items())
        return max(0.0, gone_s - sum(waits_s))


def _waits_s() -> dict[str, float]:
    """The seconds for which each thread has waited for a processor."""
    found, pids = dict[str, float](), [os.getpid()]
    while pids:
        pid = pids.pop()
        pids += procfs.children(pid)
        for thread in Path(f"/proc/{pid}/task").glob("*"):
            with suppress(OSError):  # it has ended
                found[thread.name] = int((thread / "schedstat").read_text().split()[1]) / 1e9
    return found
