"""The processes of this machine's stack, each kept running. They are killed if this one dies."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
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
BACKOFF_MAX_S = 30.0
#: More exceed every limit of a backoff, and finally the range of a float.
_DOUBLINGS_MAX = 16
#: A process that ran for longer resets the backoff.
STABLE_S = 30.0
#: How long a retired process may take to finish its work in progress.
RETIRE_S = 150.0
WORKER = "worker"
TRAINER = "trainer"
#: Interrupted work is repeated: it is recorded in a journal or in the store.
END_S = 6.0
SERVER_END_S = 2.0
#: A command waits START_S for the server to return: it must be restarted before that.
SERVER_BACKOFF_MAX_S = START_S / 2
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Running:
    """One process of a service."""

    def __init__(self, argv: Sequence[str], env: dict[str, str], as_json: bool) -> None:
        self.argv = list(argv)
        self.started = time.monotonic()
        self.retired = 0.0  #: when it was sent SIGTERM; 0 if it was not
        self.process = _spawn(self.argv, env, subprocess.PIPE if as_json else None)
        self.log = ServerLog(self.process) if as_json else None

    def log_rest(self) -> None:
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

    def __init__(
        self, name: str, backoff_max_s: float = BACKOFF_MAX_S, as_json: bool = False
    ) -> None:
        self.name = name
        self.failures = 0  #: unexpected ends in a row
        self._backoff_max_s, self._as_json = backoff_max_s, as_json
        self._argv: list[str] | None = None
        self._env = dict[str, str]()
        self._running: Running | None = None
        self._due = 0.0
        self._failure = ""

    @property
    def pid(self) -> int:
        """The pid of its process, or 0."""
        return self._running.process.pid if self._running else 0

    def want(self, argv: Sequence[str] | None, env: dict[str, str]) -> None:
        """Set the wanted command, None for no command, and the variables of its next start."""
        self._argv, self._env = None if argv is None else list(argv), env

    def tend(self) -> None:
        """Start the wanted command if it does not run; another one finishes its work before."""
        if self._running is not None and self._ended(self._running):
            self._running = None
        if self._running is None:
            if self._argv is not None and time.monotonic() >= self._due:
                self._start(self._argv)
        elif self._running.argv != self._argv or self._running.retired:
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
        child.log_rest()

    def _start(self, argv: list[str]) -> None:
        # Logged only on restart, so that otherwise the log ends with the service's own error.
        if self._failure:
            log.warning("%s; restarting it", self._failure)
            self._failure = ""
        self._running = Running(argv, self._env, self._as_json)

    def _ended(self, child: Running) -> bool:
        code = child.process.poll()
        if code is None:
            return False
        child.log_rest()
        if not child.retired:
            stable = time.monotonic() - child.started > STABLE_S
            self.failures = 1 if stable else self.failures + 1
            doublings = min(self.failures - 1, _DOUBLINGS_MAX)
            pause_s = min(self._backoff_max_s, BACKOFF_FIRST_S * 2**doublings)
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
        binary = redis_server.executable(redis_server.find(), folder)
        self._server = Service("server", SERVER_BACKOFF_MAX_S, as_json=settings.has_json_logs)
        self._server.want(redis_server.command(binary, bound), self._variables)
        self._others = {name: Service(name) for name in (WORKER, TRAINER)}
        self._faults = LogLimit(log, DAY_S)

    @property
    def server(self) -> int:
        """The pid of the server, or 0."""
        return self._server.pid

    @property
    def server_failed(self) -> bool:
        """Whether the server has ended unexpectedly."""
        return self._server.failures > 0

    @property
    def worker(self) -> int:
        """The pid of the worker, or 0."""
        return self._others[WORKER].pid

    def tend(self, children: int, training: bool, environment: Environment) -> None:
        """Start and end processes to match the desired state.

        `children` is the worker's number of children, which it reads from a file.
        """
        self._server.tend()
        self._write_number(children)
        python = environment.executable
        worker = commands.stack_command(python) if children else None
        trainer = commands.trainer_command(python) if training else None
        env = environment.variables(self._variables)
        self._others[WORKER].want(worker, env)
        self._others[TRAINER].want(trainer, env)
        for service in self._others.values():
            service.tend()

    def end(self) -> None:
        """End every process, the server last."""
        deadline = time.monotonic() + END_S
        for service in self._others.values():
            service.retire()  # all at the same time
        for service in self._others.values():
            service.end(max(0.0, deadline - time.monotonic()))
        self._server.end(SERVER_END_S)

    def _write_number(self, children: int) -> None:
        if not children or children == self._children:
            return
        try:
            atomic_file.replace_volatile(self._folder / CHILDREN_NAME, str(children).encode())
            self._children = children
        except OSError as error:  # the next turn tries again, for example after a full disk
            self._faults.warning(f"{self._folder} cannot be written: {error}")
