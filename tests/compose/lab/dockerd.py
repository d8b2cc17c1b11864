"""The lab's own dockerd, identified by its data root in FOLDER. No other process is stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.compose.engine import docker, engine_runs, log
from tests.compose.lab import network
from tests.compose.lab.failure import LabFails

#: On a disk, since an engine needs more space than a tmpfs has. Shared by all checkouts.
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
    return found if bytes(_DATA) in words else None  # a zombie has no command line


def left_behind() -> bool:
    """Whether the lab's dockerd was killed and its changes to this machine remain."""
    return pid() is None and _BEFORE.exists()


def start() -> bool:
    """Start the engine. Returns False if another one runs. Raises LabFails if it cannot start."""
    if engine_runs():
        return False
    started = time.monotonic()
    network.record(_BEFORE)
    _PID.unlink(missing_ok=True)  # of a killed dockerd: its process id may be in use again
    command = [
        "dockerd", "--host", "unix:///var/run/docker.sock", "--data-root", str(_DATA),
        "--exec-root", str(_EXEC), "--pidfile", str(_PID),
    ]  # fmt: skip
    with _LOG.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    while not engine_runs():
        if process.poll() is not None or time.monotonic() > started + _START_S:
            process.terminate()
            process.wait(_STOP_S)
            network.restore(_BEFORE)
            raise LabFails(f"dockerd does not start (log: {_LOG}):\n{_last_errors()}")
        time.sleep(_POLL_S)
    log(f"dockerd runs with its data in {FOLDER}", started)
    return True


def stop() -> None:
    """Remove all containers and networks of the lab's engine, stop it, and undo its changes.

    A killed engine is restarted first: only an engine can list its leftovers.
    """
    started = time.monotonic()
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
        if time.monotonic() > started + _STOP_S:
            raise LabFails(f"dockerd (process {running}) does not stop; log: {_LOG}")
        time.sleep(_POLL_S)
    network.restore(_BEFORE)
    shutil.rmtree(_EXEC, ignore_errors=True)
    log("dockerd is stopped, its rules and bridges are removed", started)


def _last_errors() -> str:
    lines = _LOG.read_text("utf-8", "replace").splitlines()
    errors = [line for line in lines if "level=error" in line or "failed to start" in line]
    return "\n".join((errors or lines)[-5:])
