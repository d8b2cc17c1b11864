"""Starts the supervisor of this machine's stack and waits until its server responds."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from producer.machine import commands, redis_server, stack_log
from producer.machine.desired_state import Environment, own_environment
from producer.machine.redis_server import is_ready
from shared import logs
from shared.broker.runtime_paths import LOG_NAME, has_supervisor, socket_path
from shared.errors import BrokerAway, SetupError
from shared.settings import Settings
from shared.stop import Waits

START_S = 10.0
#: A supervisor may be killed during its start.
STARTS_MAX = 3
_POLL_S = 0.005


def serving(settings: Settings, folder: Path, waits: Waits) -> bool:
    """Whether the server is usable. Without its supervisor a server is about to end."""
    return has_supervisor(folder) and is_ready(socket_path(settings), waits)


def launch(settings: Settings, folder: Path, environment: Environment, waits: Waits) -> None:
    """Start the server if necessary. Only one process at a time may do this.

    Raises:
        Stopped: as `waits` say.
        SetupError: something is not installed, or the stack does not start; see its log.
        BrokerAway: its supervisor runs, but the server has not responded for START_S.
    """
    deadline, starts = time.monotonic() + START_S, 0
    while not serving(settings, folder, waits):
        if not has_supervisor(folder):
            if starts == STARTS_MAX:
                raise SetupError(_failed(folder, "does not start"))
            _start_supervisor(settings, folder, environment, waits)
            deadline, starts = time.monotonic() + START_S, starts + 1
        elif time.monotonic() > deadline:
            raise BrokerAway(_failed(folder, f"has not responded for {START_S:.0f} s"))
        waits.sleep(_POLL_S)


def _start_supervisor(
    settings: Settings, folder: Path, environment: Environment, waits: Waits
) -> None:
    """Start it and wait until it goes into the background. A start that is stopped is killed."""
    if environment == own_environment():
        redis_server.find()
        commands.check_installed()
    _ = settings.has_json_logs  # an invalid setting is reported here, not in the log
    path = folder / LOG_NAME
    stack_log.bound(path)
    with path.open("ab") as log:
        starting = subprocess.Popen(
            [environment.executable, "-m", "producer.machine.supervisor"],
            env=environment.variables(commands.environment(settings)),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        while starting.poll() is None:  # its lock shows whether it started
            waits.sleep(_POLL_S)
    except BaseException:
        starting.kill()
        starting.wait()
        raise


def _failed(folder: Path, what: str) -> str:
    path = folder / LOG_NAME
    text = path.read_text(errors="replace").strip() if path.exists() else ""
    last = logs.message(text.splitlines()[-1].strip()) if text else "(empty)"
    return f"this machine's stack {what} ({path}: {last:.200}); remove it with: hangtag down"
