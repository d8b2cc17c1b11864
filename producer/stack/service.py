"""Keeps one command running, and replaces it by another one without a gap."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from producer.processes.process_handle import ManagedProcess, managed_process
from producer.stack.server_log import ServerLog

log = logging.getLogger(__name__)
#: A command that ends is restarted after this time, which doubles with each failure in a row.
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 30.0
#: More exceed every limit of a backoff, and finally the range of a float.
_DOUBLINGS_MAX = 16
#: A process that ran for longer resets the backoff.
STABLE_S = 30.0
#: How long a process that is to be replaced waits for its successor to be ready.
READY_S = 20.0
#: How long a retired process may take to finish its work in progress.
RETIRE_S = 150.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Running:
    """One process of a service."""

    def __init__(self, name: str, argv: Sequence[str], env: dict[str, str], as_json: bool) -> None:
        self.argv = list(argv)
        self.started = time.monotonic()
        self.ready = False  #: whether it was ever ready for work
        self.retired = 0.0  #: when it was sent SIGTERM; 0 if it was not
        self.process = _spawn(self.argv, env, subprocess.PIPE if as_json else None)
        self.log = ServerLog(self.process) if as_json else None
        self.member = managed_process(name, self.process.pid)

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
    """Keeps one command running. `ready` returns whether a process of it is ready for work. With
    `as_json` its lines, which are text, are logged as objects."""

    def __init__(
        self,
        name: str,
        ready: Callable[[ManagedProcess], bool],
        backoff_max_s: float = BACKOFF_MAX_S,
        as_json: bool = False,
    ) -> None:
        self.name = name
        self.failures = 0  #: unexpected ends in a row
        self._ready, self._backoff_max_s = ready, backoff_max_s
        self._as_json = as_json
        self._argv: list[str] | None = None
        self._env = dict[str, str]()
        self._running: list[Running] = []  # the newest is last
        self._due = 0.0
        self._failure = ""

    @property
    def members(self) -> list[ManagedProcess]:
        """Its processes, including retired ones."""
        return [child.member for child in self._running]

    @property
    def newest(self) -> ManagedProcess | None:
        """The process that does the work, or will."""
        return self._running[-1].member if self._running else None

    @property
    def settled(self) -> bool:
        """Whether the wanted command runs and is ready for work."""
        return self._argv is None or any(child.ready for child in self._serving())

    def want(self, argv: Sequence[str] | None, env: dict[str, str]) -> None:
        """Set the wanted command, None for no command, and the variables of its next start."""
        self._argv, self._env = None if argv is None else list(argv), env

    def tend(self) -> None:
        """Start the wanted command if it does not run, and retire processes of others."""
        self._running = [child for child in self._running if not self._ended(child)]
        serving = self._serving()
        if self._argv is not None and not serving and time.monotonic() >= self._due:
            serving = [self._start(self._argv)]
        for child in self._running:
            child.ready = child.ready or self._ready(child.member)
        replaced = self._replaced(serving)
        for child in self._running:
            # An unwanted process that is not ready yet has no work to finish.
            if child not in serving and (child.retired or replaced or not child.ready):
                child.retire()

    def retire(self) -> None:
        """Ask every process to shut down."""
        for child in self._running:
            child.retire()

    def end(self, limit_s: float) -> None:
        """Shut every process down, and kill those that take longer than `limit_s` seconds."""
        self.retire()
        deadline = time.monotonic() + limit_s
        for child in self._running:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.process.wait()
            child.log_rest()
        self._running.clear()

    def _serving(self) -> list[Running]:
        return [child for child in self._running if child.argv == self._argv and not child.retired]

    def _start(self, argv: list[str]) -> Running:
        # Logged only on restart, so that otherwise the log ends with the service's own error.
        if self._failure:
            log.warning("%s; restarting it", self._failure)
            self._failure = ""
        self._running.append(Running(self.name, argv, self._env, self._as_json))
        return self._running[-1]

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

    def _replaced(self, serving: list[Running]) -> bool:
        if self._argv is None:
            return True
        return any(child.ready or time.monotonic() - child.started > READY_S for child in serving)


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
