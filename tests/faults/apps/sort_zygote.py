"""`python -m tests.faults.apps.sort_zygote`: for each line of standard input, which is JSON, runs
`hangtag sort` in a process of its own and prints its exit code, -9 if it was killed.

A fork of this process starts in milliseconds, so every passage of every crash point can be tried.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path

from producer.sort_log.log import Way
from producer.sorting import placing, sort
from shared import failpoints
from shared.errors import HangtagError
from tests.support.failpoints import armed

#: Several batches, also of a few files.
placing.BATCH_FILES = 3


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                code = run(json.loads(line))
            finally:
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def run(task: dict[str, str]) -> int:
    """Run one task; returns its exit code. With `trace` the passages are written to that file."""
    if task["rename"] == "plain":
        ctypes.CDLL = lambda *_, **__: object()  # type: ignore[assignment,misc]
    if task["trace"]:
        with open(task["trace"], "w", buffering=1) as trace:
            failpoints.watch(lambda name: print(name, file=trace))
            return act(task)
    armed.watch()
    return act(task)


def act(task: dict[str, str]) -> int:
    try:
        if task["act"] == "undo":
            return int(sort.undo(Path(task["out"])).exit_code)
        found = sort.sort(Path(task["table"]), Path(task["out"]), Way(task["way"]))
        return int(found.exit_code)
    except HangtagError as error:
        print(error, file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    main()
