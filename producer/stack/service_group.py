"""The processes of this machine's stack, and their list on disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from producer.fleet import commands
from producer.processes.lock import (
    ManagedProcess,
    forget_roster,
    load_roster,
    save_roster,
)
from producer.stack import redis_server
from producer.stack.desired_state import Environment
from producer.stack.launch import START_S
from producer.stack.service import Service
from shared import atomic_file
from shared.broker.runtime_paths import CHILDREN_NAME
from shared.logs import DAY_S, LogLimit
from shared.settings import PREFIX, Settings

log = logging.getLogger(__name__)
WORKER = "worker"
TRAINER = "trainer"
#: Interrupted work is repeated: it is recorded in a journal or in the store.
END_S = 6.0
SERVER_END_S = 2.0
LEFTOVER_END_S = 1.0
#: A command waits START_S for the server to return: it must be restarted before that.
SERVER_BACKOFF_MAX_S = START_S / 2


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
        self._roster: list[ManagedProcess] = []  #: as it was written last
        self._faults = LogLimit(log, DAY_S)

    @property
    def server(self) -> ManagedProcess | None:
        """The current process of the server."""
        return self._server.member

    @property
    def server_failed(self) -> bool:
        """Whether the server has ended unexpectedly."""
        return self._server.failures > 0

    @property
    def worker(self) -> ManagedProcess | None:
        """The current process of the worker."""
        return self._others[WORKER].member

    def tend(self, children: int, training: bool, environment: Environment) -> None:
        """Start and end processes to match the desired state, and write their list.

        `children` is the worker's number of children, which it reads from a file.
        """
        self._server.tend()
        with self._retried():
            self._write_number(children)
        python = environment.executable
        worker = commands.stack_command(python) if children else None
        trainer = commands.trainer_command(python) if training else None
        env = environment.variables(self._variables)
        self._others[WORKER].want(worker, env)
        self._others[TRAINER].want(trainer, env)
        for service in self._others.values():
            service.tend()
        with self._retried():
            self._write_roster()

    def end(self) -> None:
        """End every process, the server last."""
        deadline = time.monotonic() + END_S
        for service in self._others.values():
            service.retire()  # all at the same time
        for service in self._others.values():
            service.end(max(0.0, deadline - time.monotonic()))
        self._server.end(SERVER_END_S)

    @contextmanager
    def _retried(self) -> Iterator[None]:
        """Log an error, for example of a full disk: the next turn tries again."""
        try:
            yield
        except OSError as error:
            self._faults.warning(f"{self._folder} cannot be written: {error}")

    def _write_number(self, children: int) -> None:
        if children and children != self._children:
            atomic_file.replace_volatile(self._folder / CHILDREN_NAME, str(children).encode())
            self._children = children

    def _write_roster(self) -> None:
        services = [self._server, *self._others.values()]
        members = [service.member for service in services if service.member is not None]
        if members != self._roster:
            save_roster(self._folder, members)
            self._roster = members


def end_leftovers(folder: Path) -> bool:
    """End the processes that a dead supervisor left behind; returns whether there were any."""
    leftovers = [leftover for leftover in load_roster(folder) if leftover.alive]
    for leftover in leftovers:
        leftover.end(LEFTOVER_END_S)
    forget_roster(folder)
    return bool(leftovers)
