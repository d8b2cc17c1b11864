"""Check the workers of this machine or container: `python -m worker.health [--ready]`.

Without options it is a liveness probe: each worker parent runs, and so does its heartbeat thread.
Redis may be unreachable, since a restart of the worker would not repair that. With --ready it also
requires that Redis has accepted a recent heartbeat. Prints one line; the exit code is 0 or 1.
"""

from __future__ import annotations

import argparse
import sys
import time

from shared import process
from shared.errors import Exit, SetupError
from shared.settings import Settings
from worker.lifecycle.process_files import Liveness, read_all


def problem(settings: Settings, ready: bool) -> str:
    """The first problem of the workers here, in one line; empty if they are healthy."""
    workers = list(read_all())
    if not workers:
        return "no worker runs here, or its heartbeat thread has not started"
    return next(filter(None, (_problem(*worker, settings, ready) for worker in workers)), "")


def _problem(pid: int, worker: Liveness, settings: Settings, ready: bool) -> str:
    now = time.monotonic()
    if now - worker.turned_s > settings.health_limit_s:
        stuck_s = now - worker.turned_s
        return f"the heartbeat thread of worker {pid} has been stuck for {stuck_s:.0f} s"
    if not ready:
        return ""
    if worker.beaten_s is None:
        return f"Redis has not accepted a heartbeat of worker {pid} yet"
    if now - worker.beaten_s > settings.heartbeat_ttl_s:
        late_s = now - worker.beaten_s
        return f"Redis has accepted no heartbeat of worker {pid} for {late_s:.0f} s"
    return ""


def main(arguments: list[str]) -> int:
    """Run the command. Returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m worker.health", description=__doc__)
    parser.add_argument("--ready", action="store_true", help="require a recent heartbeat in Redis")
    ready: bool = parser.parse_args(arguments).ready
    try:
        fault = problem(Settings.from_env(), ready)
    except SetupError as error:
        fault = str(error)
    print(fault or "healthy")
    return int(Exit.SETUP if fault else Exit.OK)


if __name__ == "__main__":
    process.skip_last_search()
    sys.exit(main(sys.argv[1:]))
