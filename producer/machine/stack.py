"""The interface of commands to this machine's stack: a server, a worker and their supervisor.

There is one per user, version of Hangtag and store, in a private folder. A command that needs it
connects, or starts it under a lock if it does not respond. It ends by itself when it is not needed.
Its workers run in the environment of the command that has the most packages.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from producer.machine import commands, desired_state, lock
from producer.machine.commands import worker_line
from producer.machine.desired_state import Environment, chosen
from producer.machine.launch import START_S, launch, serving
from producer.machine.redis_server import ServerSocket
from producer.present.formatting import one_line
from shared.broker.runtime_paths import (
    SUPERVISOR_LOCK,
    has_supervisor,
    log_path,
    private_stack_dir,
    socket_path,
    stack_dir,
)
from shared.errors import BrokerAway, SetupError
from shared.installation import STACK_PACKAGES
from shared.messages.requests import Work, needed_packages
from shared.settings import Settings
from shared.stop import Waits, unstoppable

#: The supervisor's own limits for its parts, with a margin.
END_S = 15.0
KILL_S = 2.0
_POLL_S = 0.005


class Stack(msgspec.Struct, frozen=True):
    """The state of the stack; `pid` is the supervisor's or 0.

    Workers are counted in children: `floor` and `ceiling` were requested, equal without
    autoscaling; `now` are alive, including those that finish their work before they end.
    """

    running: bool
    kept: bool
    floor: int
    ceiling: int
    now: int
    pid: int
    socket: str
    log: str


class BrokerSession:
    """One command's use of the broker, from its start to its end."""

    def __init__(self, settings: Settings, waits: Waits | None = None) -> None:
        self._settings, self._waits = settings, waits or unstoppable()
        self._ended = self._ended_now()

    @property
    def has_ended(self) -> bool:
        """Whether `hangtag down` has ended this machine's stack since the command started."""
        return self._ended_now() not in (self._ended, 0)  # 0: the stack's folder was removed

    def ensure(self) -> None:
        """Like the function `ensure`. Raises SetupError, BrokerAway, Stopped."""
        ensure(self._settings, self._waits)

    def revive(self) -> None:
        """The same for work in progress: the caller waits for a stack that may still start. Raises
        SetupError, Stopped."""
        with suppress(BrokerAway):
            self.ensure()

    def _ended_now(self) -> int:
        if self._settings.redis_url:
            return 0
        return desired_state.load(stack_dir(self._settings)).ended


def ensure(settings: Settings, waits: Waits | None = None) -> None:
    """Ensure that there is a broker: the configured one, or this machine's stack.

    The stack is started if needed. If this environment has packages that it lacks, and all that it
    has, its workers are replaced by some of this environment, after their batches.

    Raises:
        SetupError: the stack does not start; the message names the fix, or its log.
        BrokerAway: it has not started in time, but may still do so.
        Stopped: as `waits` say.
    """
    if settings.redis_url:
        return
    waits = waits or unstoppable()
    folder = private_stack_dir(settings)
    desired_state.announce(folder)
    recorded = desired_state.load(folder).environment
    if not serving(settings, folder, waits) or _environment(folder) != recorded:
        with _exclusive(folder, waits):
            environment = _environment(folder)
            wanted = msgspec.structs.replace(desired_state.load(folder), environment=environment)
            desired_state.save(folder, wanted)
            launch(settings, folder, environment, waits)


def check_can(settings: Settings, work: Work) -> None:
    """Raises SetupError, which names the packages, if this machine's stack cannot do this work."""
    folder = stack_dir(settings)
    if lacking := needed_packages(work).keys() - _environment(folder).packages:
        raise SetupError(lacks(settings, lacking, "a Redis that has a trainer"))


def lacks(settings: Settings, packages: Collection[str], instead: str) -> str:
    """The message that this machine's stack lacks these packages, by import name, with the command
    that adds them; `instead`: what else could be used."""
    if line := commands.command_to_add(packages):
        return f"this installation cannot do that: {line}; or set HANGTAG_REDIS_URL to {instead}"
    stack = _environment(stack_dir(settings))
    names = ", ".join(sorted(STACK_PACKAGES[package] for package in packages))
    line = commands.command_to_add(stack.packages)
    return (
        f"this machine's stack runs in {one_line(stack.executable)}, which lacks {names}, and in "
        f"this environment {line}; or stop that stack with: hangtag down"
    )


def _environment(folder: Path) -> Environment:
    """The environment that the stack is to run in after this command."""
    return chosen(desired_state.load(folder).environment, has_supervisor(folder))


def up(settings: Settings, workers: int | None, floor: int | None = None) -> str:
    """Start the stack, keep it running, and set its number of worker children.

    With a floor the number follows the backlog, up to `workers`, or to the default if that is
    None. None for both leaves the previous request. Returns the notice that memory limits the
    number, if it does.

    Raises:
        SetupError: it does not start, or a broker is configured.
        BrokerAway: as in `ensure`.
    """
    if settings.redis_url:
        raise SetupError(
            "HANGTAG_REDIS_URL is set, so this machine's stack is not used; on a machine with free "
            f"cores, run: {worker_line(settings, workers)}"
        )
    folder = private_stack_dir(settings)
    with _exclusive(folder, unstoppable()):
        before, environment = desired_state.load(folder), _environment(folder)
        if workers is None and floor is None:
            workers, floor = before.children, before.floor
        wanted = msgspec.structs.replace(
            before, keep=True, children=workers, floor=floor, environment=environment
        )
        desired_state.save(folder, wanted)
        try:
            launch(settings, folder, environment, unstoppable())
        except (SetupError, BrokerAway):
            desired_state.save(folder, before)  # otherwise a later stack would stay for ever
            raise
    return wanted.memory_notice(settings)


def down(settings: Settings) -> bool:
    """End the stack and wait for it; returns whether there was anything to end.

    Jobs that use it end, too. A command that follows a request starts it again.

    Raises:
        BrokerAway: another command is starting or ending it.
    """
    if not stack_dir(settings).is_dir():
        return False
    folder = private_stack_dir(settings)
    with _exclusive(folder, unstoppable()):
        desired_state.end(folder)
        has_ended = _end_supervisor(folder)
        ServerSocket(socket_path(settings)).remove()
    return has_ended


def describe(settings: Settings) -> Stack:
    """The current state of the stack."""
    from producer.machine.workers import live_children  # imports Redis' client, which takes 0.1 s

    folder = stack_dir(settings)
    wanted = desired_state.load(folder)
    bounds = wanted.bounds(settings)
    running = has_supervisor(folder)
    return Stack(
        running=running,
        kept=wanted.keep,
        floor=bounds.floor,
        ceiling=bounds.ceiling,
        now=live_children(settings) if running else 0,
        pid=lock.holder(folder / SUPERVISOR_LOCK),
        socket=str(socket_path(settings)),
        log=str(log_path(settings)),
    )


@contextmanager
def _exclusive(folder: Path, waits: Waits) -> Iterator[None]:
    try:
        with lock.locked(folder / lock.START, START_S + END_S, waits.sleep):
            yield
    except TimeoutError as error:
        raise BrokerAway(f"{error}, which starts or ends the stack; try again later") from None


def _end_supervisor(folder: Path) -> bool:
    if not has_supervisor(folder):
        return False
    if not _ended(folder, signal.SIGTERM, END_S):
        _ended(folder, signal.SIGKILL, KILL_S)
    return True


def _ended(folder: Path, number: signal.Signals, limit_s: float) -> bool:
    deadline, signalled = time.monotonic() + limit_s, False
    while has_supervisor(folder):
        if time.monotonic() > deadline:
            return False
        pid = lock.holder(folder / SUPERVISOR_LOCK)  # 0 right after the lock was taken
        if pid and not signalled:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, number)
            signalled = True
        time.sleep(_POLL_S)
    return True
