"""The processes of this machine's stack, each kept running. They are killed if this one dies."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from producer.machine import commands, redis_server
from producer.machine.desired_state import Environment
from producer.machine.launch import START_S
from producer.machine.stack_log import ServerLog
from shared import atomic_file
from shared.broker.runtime_paths import CHILDREN_NAME
from shared.logs import DAY_S, LogLimit
from shared.settings import PREFIX, Settings

log = logging.getLogger(__name__)
#: A command that ends is restarted after this time, which doubles with each failure in a row.
BACKOFF_FIRST_S = 0.1
#: A command waits START_S for the server to return: it must be restarted before that.
BACKOFF_MAX_S = START_S / 2
#: More exceed every limit of a backoff, and finally the range of a float.
_DOUBLINGS_MAX = 16
#: A process that ran for longer resets the backoff.
STABLE_S = 30.0
#: How long a retired process may take to finish its work in progress.
RETIRE_S = 150.0
#: Interrupted work is repeated: it is recorded in a journal or in the store.
END_S = 6.0
SERVER_END_S = 2.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Running:
    """One process of a service."""

    def __init__(self, argv: list[str], env: dict[str, str], as_json: bool) -> None:
        self.argv = argv
        self.started = time.monotonic()
        self.retired = 0.0  #: when it was sent SIGTERM; 0 if it was not
        self.process = _spawn(self.argv, env, subprocess.PIPE if as_json else None)
        self.log = ServerLog(self.process) if as_json else None

    def log_last_lines(self) -> None:
        """Log its last lines, once it has ended."""
        if self.log is not None:
            self.log.wait()

    def retire(self) -> None:
        """Send SIGTERM, and kill it if it still runs after RETIRE_S."""
        if not self.retired:
            self.retired = time.monotonic()
            self.process.terminate()
        elif time.monotonic() - self.retired > RETIRE_S:
            self.kill()

    def kill(self) -> None:
        """Kill it and its children."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)


class Service:
    """Keeps one command running. With `as_json` its lines of text are logged as objects."""

    def __init__(self, name: str, as_json: bool = False) -> None:
        self.name = name
        self.failures = 0  #: unexpected ends in a row
        self._as_json = as_json
        self._running: Running | None = None
        self._due = 0.0
        self._failure = ""

    @property
    def pid(self) -> int:
        """The pid of its process, or 0."""
        return self._running.process.pid if self._running else 0

    def tend(self, argv: list[str] | None, env: dict[str, str]) -> None:
        """Start this command with these variables if it does not run; None: no command is wanted.
        Another one finishes its work before."""
        if self._running is not None and self._ended(self._running):
            self._running = None
        if self._running is None:
            if argv is not None and time.monotonic() >= self._due:
                self._start(argv, env)
        elif self._running.argv != argv or self._running.retired:
            self._running.retire()

    def retire(self) -> None:
        """Ask its process to shut down."""
        if self._running is not None:
            self._running.retire()

    def end(self, limit_s: float) -> None:
        """Shut its process down, and kill it if that takes longer than `limit_s` seconds."""
        child, self._running = self._running, None
        if child is None:
            return
        child.retire()
        try:
            child.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.process.wait()
        child.log_last_lines()

    def _start(self, argv: list[str], env: dict[str, str]) -> None:
        # Logged only on restart, so that otherwise the log ends with the service's own error.
        if self._failure:
            log.warning("%s; restarting it", self._failure)
            self._failure = ""
        self._running = Running(argv, env, self._as_json)

    def _ended(self, child: Running) -> bool:
        code = child.process.poll()
        if code is None:
            return False
        child.log_last_lines()
        if not child.retired:
            stable = time.monotonic() - child.started > STABLE_S
            self.failures = 1 if stable else self.failures + 1
            doublings = min(self.failures - 1, _DOUBLINGS_MAX)
            pause_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**doublings)
            self._due = time.monotonic() + pause_s
            self._failure = f"{self.name} {child.process.pid} ended with code {code}"
        return True


def _spawn(argv: list[str], env: dict[str, str], output: int | None) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def die_with_parent() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # the parent died before prctl

    return subprocess.Popen(
        argv, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=output,
        stderr=output and subprocess.STDOUT, process_group=0, preexec_fn=die_with_parent,
    )  # fmt: skip


class Services:
    """The server, which binds `bound`, the worker, and the trainer while it is needed."""

    def __init__(self, settings: Settings, folder: Path, bound: Path) -> None:
        self._folder = folder
        self._children = -1  #: as it was written last
        # Only this user can access this server, and has access to these files anyway.
        self._variables = commands.environment(settings) | {PREFIX + "ROOT": "/"}
        self.server = Service("server", as_json=settings.has_json_logs)
        self._server_command = redis_server.command(redis_server.find(), bound)
        self.worker, self._trainer = Service("worker"), Service("trainer")
        self._faults = LogLimit(log, DAY_S)

    def tend(self, children: int, training: bool, environment: Environment) -> None:
        """Start and end processes to match the desired state.

        `children` is the worker's number of children, which it reads from a file.
        """
        self.server.tend(self._server_command, self._variables)
        self._write_number(children)
        python = environment.executable
        env = environment.variables(self._variables)
        self.worker.tend(commands.stack_command(python) if children else None, env)
        self._trainer.tend(commands.trainer_command(python) if training else None, env)

    def end(self) -> None:
        """End every process, the server last."""
        deadline = time.monotonic() + END_S
        for service in (self.worker, self._trainer):
            service.retire()  # both at the same time
        for service in (self.worker, self._trainer):
            service.end(max(0.0, deadline - time.monotonic()))
        self.server.end(SERVER_END_S)

    def _write_number(self, children: int) -> None:
        if not children or children == self._children:
            return
        try:
            atomic_file.replace_volatile(self._folder / CHILDREN_NAME, str(children).encode())
            self._children = children
        except OSError as error:  # the next turn tries again, for example after a full disk
            self._faults.warning(f"{self._folder} cannot be written: {error}")
