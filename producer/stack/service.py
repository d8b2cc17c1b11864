"""One command that is kept running. Another command takes its place without a gap."""

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

log = logging.getLogger(__name__)
#: A command that ends is started again after this long, then twice as long, and so on.
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 30.0
#: What ran for so long was well.
WELL_S = 30.0
#: How long the one before waits for its successor to be ready.
READY_S = 20.0
#: How long it may then take to finish what it has in hand.
RETIRE_S = 150.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Running:
    """One process of a service."""

    def __init__(self, name: str, argv: Sequence[str], env: dict[str, str]) -> None:
        self.argv = list(argv)
        self.begun = time.monotonic()
        self.ready = False  #: whether it has ever taken up its work
        self.retired = 0.0  #: when it was asked to end
        self.process = _spawn(self.argv, env)
        self.member = managed_process(name, self.process.pid)

    def retire(self) -> None:
        """Ask it to end in good order; insist after RETIRE_S."""
        if not self.retired:
            self.retired = time.monotonic()
            self.process.terminate()
        elif time.monotonic() - self.retired > RETIRE_S:
            self.kill()

    def kill(self) -> None:
        """End it and its children at once."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)


class Service:
    """Keeps one command running. `ready` tells whether a process of it has taken up its work."""

    def __init__(
        self,
        name: str,
        env: dict[str, str],
        ready: Callable[[ManagedProcess], bool],
        backoff_max_s: float = BACKOFF_MAX_S,
    ) -> None:
        self.name = name
        self.failures = 0  #: ends in a row that nobody asked for
        self._env, self._ready, self._backoff_max_s = env, ready, backoff_max_s
        self._argv: list[str] | None = None
        self._running: list[Running] = []  # the newest is last
        self._due = 0.0
        self._obituary = ""

    @property
    def members(self) -> list[ManagedProcess]:
        """Its processes, also those that are about to end."""
        return [one.member for one in self._running]

    @property
    def newest(self) -> ManagedProcess | None:
        """The process that has, or will have, the work."""
        return self._running[-1].member if self._running else None

    @property
    def settled(self) -> bool:
        """Whether what is wanted is there and has taken up its work."""
        return self._argv is None or any(one.ready for one in self._serving())

    def want(self, argv: Sequence[str] | None) -> None:
        """From now on this command; None is none."""
        self._argv = None if argv is None else list(argv)

    def tend(self) -> None:
        """Start what is wanted and not there, retire what is there and not wanted."""
        self._running = [one for one in self._running if not self._ended(one)]
        serving = self._serving()
        if self._argv is not None and not serving and time.monotonic() >= self._due:
            serving = [self._start(self._argv)]
        for one in self._running:
            one.ready = one.ready or self._ready(one.member)
        replaced = self._replaced(serving)
        for one in self._running:
            # One that has not begun, and is not wanted any more, need not begin.
            if one not in serving and (one.retired or replaced or not one.ready):
                one.retire()

    def retire(self) -> None:
        """Ask every process to end in good order."""
        for one in self._running:
            one.retire()

    def end(self, limit_s: float) -> None:
        """End every process, in good order if that takes less than `limit_s` seconds."""
        self.retire()
        deadline = time.monotonic() + limit_s
        for one in self._running:
            try:
                one.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                one.kill()
                one.process.wait()
        self._running.clear()

    def _serving(self) -> list[Running]:
        return [one for one in self._running if one.argv == self._argv and not one.retired]

    def _start(self, argv: list[str]) -> Running:
        if self._obituary:  # not said before, so that its own last words are the last
            log.warning("%s and is started again", self._obituary)
            self._obituary = ""
        self._running.append(Running(self.name, argv, self._env))
        return self._running[-1]

    def _ended(self, one: Running) -> bool:
        code = one.process.poll()
        if code is None:
            return False
        if not one.retired:
            well = time.monotonic() - one.begun > WELL_S
            self.failures = 1 if well else self.failures + 1
            pause_s = min(self._backoff_max_s, BACKOFF_FIRST_S * 2 ** (self.failures - 1))
            self._due = time.monotonic() + pause_s
            self._obituary = f"{self.name} {one.process.pid} ended with code {code}"
        return True

    def _replaced(self, serving: list[Running]) -> bool:
        if self._argv is None:
            return True
        return any(one.ready or time.monotonic() - one.begun > READY_S for one in serving)


def _spawn(argv: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def die_with_parent() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # it died before it could be tied to

    return subprocess.Popen(
        argv, env=env, cwd="/", stdin=subprocess.DEVNULL, process_group=0,
        preexec_fn=die_with_parent,
    )  # fmt: skip
