"""The lab's own dockerd: its data root is in FOLDER, and only such a process is ever stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.compose.engine import docker, engine_runs, say
from tests.compose.lab import network
from tests.compose.lab.failure import LabFails

#: On a disk and the same for each checkout: an engine needs more than a tmpfs has.
FOLDER = Path("/var/tmp/hangtag-compose-lab")
_DATA, _EXEC = FOLDER / "data", FOLDER / "exec"
_PID, _LOG, _BEFORE = FOLDER / "dockerd.pid", FOLDER / "dockerd.log", FOLDER / "before.json"
_START_S, _STOP_S = 60.0, 120.0
_POLL_S = 0.1


def pid() -> int | None:
    """The process id of the lab's dockerd, if it runs."""
    try:
        found = int(_PID.read_text())
        words = Path(f"/proc/{found}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return found if bytes(_DATA) in words else None  # a zombie has no words


def left_behind() -> bool:
    """Whether the lab's dockerd was killed: what it changed on this machine is still there."""
    return pid() is None and _BEFORE.exists()


def start() -> bool:
    """Start the engine. Returns False if another's answers. Raises LabFails if it cannot start."""
    if engine_runs():
        return False
    begun = time.monotonic()
    network.record(_BEFORE)
    _PID.unlink(missing_ok=True)  # of a killed dockerd: its number may be another process's now
    command = [
        "dockerd", "--host", "unix:///var/run/docker.sock", "--data-root", str(_DATA),
        "--exec-root", str(_EXEC), "--pidfile", str(_PID),
    ]  # fmt: skip
    with _LOG.open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    while not engine_runs():
        if process.poll() is not None or time.monotonic() > begun + _START_S:
            process.terminate()
            process.wait(_STOP_S)
            network.restore(_BEFORE)
            raise LabFails(f"dockerd does not start (log: {_LOG}):\n{_last_errors()}")
        time.sleep(_POLL_S)
    say(f"dockerd runs with its data in {FOLDER}", begun)
    return True


def stop() -> None:
    """Remove all containers and networks of the lab's engine, stop it, undo what it changed.

    One that was killed is started again first: only an engine knows what it left behind.
    """
    begun = time.monotonic()
    if left_behind() and not start():
        raise LabFails("the lab's dockerd was killed, and another engine runs: stop that first")
    running = pid()
    if running is None:
        return
    if containers := docker("ps", "-aq").split():
        docker("rm", "--force", "--volumes", *containers)
    docker("network", "prune", "--force")
    os.kill(running, signal.SIGTERM)
    while pid() is not None:
        if time.monotonic() > begun + _STOP_S:
            raise LabFails(f"dockerd (process {running}) does not stop; log: {_LOG}")
        time.sleep(_POLL_S)
    network.restore(_BEFORE)
    shutil.rmtree(_EXEC, ignore_errors=True)
    say("dockerd is stopped, its rules and bridges are removed", begun)


def _last_errors() -> str:
    lines = _LOG.read_text("utf-8", "replace").splitlines()
    errors = [line for line in lines if "level=error" in line or "failed to start" in line]
    return "\n".join((errors or lines)[-5:])
