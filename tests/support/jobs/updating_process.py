"""A table that is brought up to date in a fork of this process, which dies at a failpoint."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from producer.job.job_options import JobOptions
from shared import failpoints
from tests.support.failpoints import armed
from tests.support.failpoints.armed import Points, Shot
from tests.support.jobs.updated_job import update


def passages(options: JobOptions, folder: Path) -> list[Shot]:
    """Every passage of every point of an undisturbed update."""
    trace = folder / "trace"

    def traced() -> None:
        failpoints.watch(lambda name: _append(trace, name))
        update(options)

    assert forked(traced, lambda: None) == 0
    names = trace.read_text().split()
    return [Shot(name, names[: i + 1].count(name)) for i, name in enumerate(names)]


def killed_at(options: JobOptions, shot: Shot, points: Points) -> int:
    """The signal that ended an update, negative; or its exit code."""
    points.arm(shot)
    with mock.patch.dict(os.environ, points.settings):
        return forked(lambda: update(options))


def _append(trace: Path, name: str) -> None:
    with trace.open("a") as file:
        print(name, file=file)


def forked(work: Callable[[], object], watch: Callable[[], None] = armed.watch) -> int:
    """The exit code of a copy of this process that works; the signal that ended it, negative."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        watch()
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)
    return 1  # not reached
