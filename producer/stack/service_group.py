"""The processes of this machine's stack, and their list on disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from producer.fleet import commands
from producer.processes.process_handle import (
    ManagedProcess,
    forget_roster,
    load_roster,
    save_roster,
)
from producer.stack import redis_server
from producer.stack.environment import Environment
from producer.stack.launch import START_S
from producer.stack.service import Service
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
    """The server, which binds `bound`, the worker, and the trainer while it is needed.

    `ready` returns whether a process is ready for work, so that its predecessor may end.
    """

    def __init__(
        self, settings: Settings, folder: Path, bound: Path, ready: Callable[[ManagedProcess], bool]
    ) -> None:
        self._folder = folder
        # Only this user can access this server, and has access to these files anyway.
        self._variables = commands.environment(settings) | {PREFIX + "ROOT": "/"}
        binary = redis_server.executable(redis_server.find(), folder)
        self._server = Service(
            "server", lambda _: True, SERVER_BACKOFF_MAX_S, as_json=settings.has_json_logs
        )
        self._server.want(redis_server.command(binary, bound), self._variables)
        self._others = {name: Service(name, ready) for name in (WORKER, TRAINER)}
        self._roster: list[ManagedProcess] = []  #: as it was written last
        self._is_logged = False  #: whether a failure to write it was logged

    @property
    def server(self) -> ManagedProcess | None:
        """The current process of the server."""
        return self._server.newest

    @property
    def server_failed(self) -> bool:
        """Whether the server has ended unexpectedly."""
        return self._server.failures > 0

    @property
    def settled(self) -> bool:
        """Whether the worker that was requested last is ready."""
        return self._others[WORKER].settled

    def tend(self, children: int, training: bool, environment: Environment) -> None:
        """Start and end processes to match the desired state, and write their list.

        `children` is the worker's number of children.
        """
        self._server.tend()
        python = environment.executable
        worker = commands.command(children, python) if children else None
        trainer = commands.trainer_command(python) if training else None
        env = environment.variables(self._variables)
        self._others[WORKER].want(worker, env)
        self._others[TRAINER].want(trainer, env)
        for service in self._others.values():
            service.tend()
        self._save_roster()

    def end(self) -> None:
        """End every process, the server last."""
        deadline = time.monotonic() + END_S
        for service in self._others.values():
            service.retire()  # all at the same time
        for service in self._others.values():
            service.end(max(0.0, deadline - time.monotonic()))
        self._server.end(SERVER_END_S)

    def _save_roster(self) -> None:
        members = [*self._server.members]
        members += [member for service in self._others.values() for member in service.members]
        if members == self._roster:
            return
        try:
            save_roster(self._folder, members)
        except OSError as error:  # for example a full disk: the next turn tries again
            if not self._is_logged:
                log.warning("the list of processes in %s is not written: %s", self._folder, error)
            self._is_logged = True
        else:
            self._roster, self._is_logged = members, False


def end_leftovers(folder: Path) -> bool:
    """End the processes that a dead supervisor left behind; returns whether there were any."""
    leftovers = [leftover for leftover in load_roster(folder) if leftover.alive]
    for leftover in leftovers:
        leftover.end(LEFTOVER_END_S)
    forget_roster(folder)
    return bool(leftovers)
