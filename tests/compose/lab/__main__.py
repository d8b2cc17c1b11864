"""A container engine for the compose tests on a bare Debian machine, as root.

`run` is what `make test-compose` uses. `up` and `down` keep the engine between runs.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.compose import bases
from tests.compose.engine import DockerFails, docker, engine_runs, log
from tests.compose.lab import dockerd, packages, stand_ins
from tests.compose.lab.dockerd import FOLDER
from tests.compose.lab.failure import CannotRun, LabFails


def up() -> bool:
    """Provide an engine with the base images. Returns whether this call started the engine.

    Raises CannotRun where no engine may be installed, LabFails if a step fails.
    """
    if engine_runs() and not _is_ours():
        bases.provide()  # never build images under an official name on a user's engine
        return False
    _check_rights()
    with _locked():
        started = False
        if dockerd.pid() is None:
            packages.install()
            started = dockerd.start()
        try:
            for name in bases.missing():
                stand_ins.provide(name)
        except BaseException:
            if started:
                dockerd.stop()
            raise
    return started


def down() -> None:
    """Stop the lab's engine, but no other engine."""
    if dockerd.pid() is None and not dockerd.left_behind():
        log("the lab's engine does not run")
        return
    _check_rights()
    with _locked():
        dockerd.stop()


def purge() -> None:
    """Stop the lab's engine and delete its images and build cache."""
    down()
    shutil.rmtree(FOLDER, ignore_errors=True)


def status() -> int:
    """Report which engine runs. Returns 1 if none does."""
    if not engine_runs():
        print("no container engine runs")
        return 1
    owner = (
        f"the lab's engine in {FOLDER}" if _is_ours() else "an engine that the lab did not start"
    )
    print(owner, docker("info", "-f", "{{.ServerVersion}}, {{.Driver}}"), sep=", ")
    print(bases.origins())
    return 0


def run(command: Sequence[str], note: Path) -> int:
    """Run a command while an engine is up. Stop the engine afterwards if this call started it.

    Where none can run, `note` gets the reason, without which a step that runs no test has failed.
    """
    try:
        started = up()
    except CannotRun as error:
        note.write_text(f"cannot run here: {error}\n")
        print(f"compose cannot run here: {error}")
        return 0
    try:
        return subprocess.call(command)
    finally:
        if started:
            down()


def _is_ours() -> bool:
    """Whether the engine that docker commands reach is the lab's."""
    return dockerd.pid() is not None and "DOCKER_HOST" not in os.environ


def _check_rights() -> None:
    if os.geteuid() != 0:
        raise CannotRun("no container engine; install Docker and its compose plugin")
    if shutil.which("apt-get") is None:
        raise CannotRun("no container engine, and none can be installed without apt-get")
    if host := os.environ.get("DOCKER_HOST"):
        raise CannotRun(f"no container engine: DOCKER_HOST is {host}, which is unreachable")


@contextmanager
def _locked() -> Iterator[None]:
    """Lock the lab: only one process at a time changes it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _end(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.compose.lab", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    for name, does in (("up", up), ("down", down), ("status", status), ("purge", purge)):
        actions.add_parser(name, help=(does.__doc__ or "").partition("\n")[0])
    of_run = actions.add_parser("run", help="run a command while an engine is up")
    of_run.add_argument("note", type=Path, help="file for the reason where none can run")
    of_run.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    try:
        match chosen.action:
            case "run":
                return run(chosen.command, chosen.note)
            case "status":
                return status()
            case "up":
                up()
                log("an engine with the base images is up")
            case "down":
                down()
            case "purge":
                purge()
    except (CannotRun, LabFails, DockerFails) as error:
        print(f"compose: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
