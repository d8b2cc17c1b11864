"""The benchmark's folders, and the environment of its processes."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Not deleted between runs: the images, the store with the tutorial's network.
DATA = ROOT / "benchmarks" / ".data"
STORE = DATA / "store"
#: In the environment of every process of a run, to find it in /proc.
TAG = "BENCHMARK_RUN"
#: In the environment of a traced `classify`: the file for its times of results.
TRACE = "BENCHMARK_TRACE"


def environment(runtime: Path) -> dict[str, str]:
    """Separate stack, store and job index, and none of the user's settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HANGTAG_")}
    return clean | {
        "HANGTAG_RUNTIME_DIR": str(runtime),
        "HANGTAG_STORE": str(STORE),
        "XDG_STATE_HOME": str(DATA / "state"),
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        TAG: str(runtime),
    }
