"""Whether the workers of this machine, or container, are well: `python -m worker.health [--ready]`.

Plain, it asks whether a worker parent lives and its pulse beats; Redis may be away. That is for
whoever restarts what is not well: a restart would not bring Redis back. With --ready it asks
whether Redis has its heartbeat as well. Exit code 0 or 1, and one line.
"""

from __future__ import annotations

import argparse
import sys
import time

from shared.errors import Exit, SetupError
from shared.settings import Settings
from worker.lifecycle.liveness_file import Liveness, read_all


def problem(settings: Settings, ready: bool) -> str:
    """What is wrong with the workers here, in one line; empty where all is well."""
    found = list(read_all(settings))
    if not found:
        return "no worker runs here, or its pulse has not begun"
    return next(filter(None, (_complaint(sign, settings, ready) for sign in found)), "")


def _complaint(sign: Liveness, settings: Settings, ready: bool) -> str:
    now = time.monotonic()
    if now - sign.turned_s > settings.health_limit_s:
        return f"the pulse of {sign.worker} has stood still for {now - sign.turned_s:.0f} s"
    if not ready:
        return ""
    if sign.beaten_s is None:
        return f"Redis has not taken a heartbeat of {sign.worker} yet"
    if now - sign.beaten_s > settings.heartbeat_ttl_s:
        return f"Redis has taken no heartbeat of {sign.worker} for {now - sign.beaten_s:.0f} s"
    return ""


def main(arguments: list[str]) -> int:
    """The command. Answers its exit code."""
    parser = argparse.ArgumentParser(prog="python -m worker.health", description=__doc__)
    parser.add_argument("--ready", action="store_true", help="and Redis has its heartbeat")
    ready: bool = parser.parse_args(arguments).ready
    try:
        wrong = problem(Settings.from_env(), ready)
    except SetupError as error:
        wrong = str(error)
    print(wrong or "well")
    return int(Exit.SETUP if wrong else Exit.OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
