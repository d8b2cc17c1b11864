"""Where the benchmark keeps its things, and the environment in which everything runs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Kept between runs: the pictures, the store with the tutorial's network.
DATA = ROOT / "benchmarks" / ".data"
STORE = DATA / "store"
#: In the environment of every process that a run starts, so that it can be found in /proc.
MARK = "BENCHMARK_RUN"
#: In the environment of a contender: the system's monotonic clock just before it was started.
BEGAN = "BENCHMARK_BEGAN"
#: Where a traced `classify` leaves the times of its results.
TRACE = "BENCHMARK_TRACE"


@contextmanager
def runtime_folder() -> Iterator[Path]:
    """A folder for the stack's socket: its path must fit into 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="htb-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment(runtime: Path) -> dict[str, str]:
    """A stack, a store and an index of jobs of the benchmark's own; nothing set by the user."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HANGTAG_")}
    return clean | {
        "HANGTAG_RUNTIME_DIR": str(runtime),
        "HANGTAG_STORE": str(STORE),
        "XDG_STATE_HOME": str(DATA / "state"),
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        MARK: str(runtime),
    }
