"""`python -m tests.faults.mortal_producer WHEN POINT NTH PID ARGUMENT...`: the `hangtag` command,
with one step of its work made fatal to a process: to itself (PID 0) or to the server."""

from __future__ import annotations

import functools
import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from producer import cli, run
from producer.channel import Channel
from producer.job import Job
from producer.journal import Journal
from producer.table import Table
from tests import proc

#: Every step between a file and its row that changes something outside the process.
POINTS: dict[str, tuple[Any, str]] = {
    "begin": (Job, "begin"),
    "resume": (Channel, "resume"),
    "touch": (Channel, "touch"),
    "survey": (Channel, "survey"),
    "results": (Channel, "results"),
    "commit": (Journal, "commit"),
    "trim": (Channel, "trim"),
    "offer": (Channel, "offer"),
    "hint": (Channel, "hint"),
    "write": (Job, "write_table"),
    "row": (Table, "rows"),
    "finish": (Job, "finish"),
    "leave": (Channel, "finish"),
}


def arm(when: str, point: str, nth: int, pid: int) -> None:
    """Kill `pid` before or after the nth time that this point is passed."""
    owner, name = POINTS[point]
    original: Callable[..., Any] = getattr(owner, name)
    calls = itertools.count(1)

    @functools.wraps(original)
    def fatal(*args: Any, **kwargs: Any) -> Any:
        if args[1:] == ([],):
            return original(*args, **kwargs)  # nothing to trim: the step is not taken
        now = next(calls) == nth
        if now and when == "before":
            _kill(pid)
        answer = original(*args, **kwargs)
        if now and when == "after":
            _kill(pid)
        return answer

    setattr(owner, name, fatal)


def _kill(pid: int) -> None:
    os.kill(pid or os.getpid(), signal.SIGKILL)
    proc.wait_for_end([pid])


def main() -> None:
    """Arm the point, then be the command."""
    when, point, nth, pid = sys.argv[1:5]
    run.LOOK_EVERY_AT_FIRST_S = 0.0  # every turn takes every step, however quick the job is
    arm(when, point, int(nth), int(pid))
    sys.argv[1:] = sys.argv[5:]
    cli.main()


if __name__ == "__main__":
    main()
