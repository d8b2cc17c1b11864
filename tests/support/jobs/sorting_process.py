"""A process that runs `hangtag sort` in forks of itself, with armed failpoints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from producer.sort_log.log import Way
from tests.support.failpoints.armed import Points


class SortingProcess:
    """tests/faults/apps/sort_zygote.py, until it is closed."""

    def __init__(self, points: Points) -> None:
        self.state = os.environ["XDG_STATE_HOME"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.apps.sort_zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **points.settings},
            text=True,
        )

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def run(
        self,
        act: str,
        table: Path,
        out: Path,
        way: Way,
        rename: str = "atomic",
        trace: Path | None = None,
    ) -> int:
        """Run `sort` or `undo` to its end, and return its exit code. `trace` gets the passages."""
        task = {
            "act": act, "table": str(table), "out": str(out), "way": way, "rename": rename,
            "trace": str(trace or ""),
        }  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(task), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())
