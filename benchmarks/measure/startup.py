"""Measures the start time of each part of Hangtag, which a cold command waits for."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from statistics import median

REPEATS = 5
STARTS = {
    "python": "pass",
    "hangtag --help": "import producer.cli.main",
    "hangtag classify": "import producer.cli.main, producer.cli.jobs.classify; "
    "import producer.jobs.classify",
    "supervisor": "import producer.stack.supervisor",
    "worker parent": "import celery.bin.worker, celery.concurrency.prefork, worker.app",
    "worker child beyond its parent": (
        "import worker.inference.classify_batch, worker.runtimes.litert_runtime"
    ),
}
_TIMED = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"


def starts(environment: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Part, ms of its process, ms of its imports."""
    # A child starts with its parent's modules already loaded.
    before = {"worker child beyond its parent": f"{STARTS['worker parent']}; "}
    found = []
    for what, imports in STARTS.items():
        program = before.get(what, "") + _TIMED.format(imports)
        runs = [_run(program, environment) for _ in range(REPEATS)]
        whole, inside = (median(times) * 1e3 for times in zip(*runs, strict=True))
        found.append((what, f"{whole:.0f}", f"{inside:.0f}"))
    return found


def _run(program: str, environment: Mapping[str, str]) -> tuple[float, float]:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, stdout=subprocess.PIPE
    )
    return time.perf_counter() - start, float(done.stdout)
