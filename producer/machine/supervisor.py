"""The supervisor of this machine's stack: `python -m producer.machine.supervisor`.

It goes into the background once it holds the lock, so there is one per folder. It keeps a server
and a worker running, and a trainer while there are requests, and ends them all when they are not
needed. Its processes are killed if it dies.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from producer.machine import desired_state, lock, stack_log
from producer.machine.autoscaler import Autoscaler
from producer.machine.desired_state import Desired, own_environment
from producer.machine.redis_server import ServerSocket, is_ready
from producer.machine.service import Services
from shared import file_lock, logs, process
from shared.broker.runtime_paths import (
    LOG_NAME,
    SUPERVISOR_LOCK,
    private_stack_dir,
    socket_path,
)
from shared.errors import SetupError
from shared.settings import Settings
from shared.stop import unstoppable

if TYPE_CHECKING:
    from producer.machine.server_client import ServerClient

log = logging.getLogger("producer.machine.supervisor")  # also where it is the main module
#: A check whether the lock is held takes it for microseconds.
LOCK_WAIT_S = 1.0
TURN_S = 0.5
TURN_WHILE_CLOSED_S = 0.005
POLL_EVERY_S = 1.0


class Supervisor:
    """Keeps the stack in `folder` running until it is not needed or receives a signal."""

    def __init__(self, settings: Settings, folder: Path, held: lock.Lock) -> None:
        self._settings, self._folder, self._lock = settings, folder, held
        self._socket = ServerSocket(socket_path(settings))
        self._services = Services(settings, folder, self._socket.bound)
        self._serving = 0  #: the pid of the server that clients connect to
        self._client: ServerClient | None = None
        self._poll_due = 0.0  #: the first poll is in the turn after the server opens
        wanted = desired_state.load(folder)
        self._autoscaler = Autoscaler(wanted.bounds(settings))
        if notice := wanted.memory_notice(settings):
            log.warning("%s", notice)
        self._training = False
        self._ending = False

    def run(self) -> None:
        """Run until the end. No process is left behind, also after an error.

        Raises:
            SetupError: the server does not start; it has logged the reason.
        """
        wakeup = Wakeup(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        self._socket.remove()
        try:
            while not self._ending:
                self._turn()
                received = wakeup.wait(TURN_S if self._is_open else TURN_WHILE_CLOSED_S)
                if received & {signal.SIGTERM, signal.SIGINT}:
                    self._ending = True
        finally:
            self._end()

    @property
    def _is_open(self) -> bool:
        return 0 < self._serving == self._services.server.pid

    def _turn(self) -> None:
        if self._lock.lost:
            self._ending = True  # the folder was removed; another stack may be there by now
            return
        stack_log.bound(self._folder / LOG_NAME)
        wanted = desired_state.load(self._folder)
        bounds = wanted.bounds(self._settings)
        children = self._autoscaler.children(bounds, self._backlog)
        if self._is_open and time.monotonic() >= self._poll_due:
            self._poll(wanted)
        self._services.tend(children, self._training, wanted.environment or own_environment())
        if self._is_open:
            return
        if is_ready(self._socket.bound, unstoppable()):
            self._open()
        elif not self._serving and self._services.server.failures:
            raise SetupError("the server does not start")

    def _open(self) -> None:
        self._publish()
        self._socket.open()
        self._serving = self._services.server.pid

    def _publish(self) -> None:
        """Publish models before the first client connects: a job may name one at once."""
        if self._has_store():
            from producer.machine.server_client import connect, publish_copies

            with connect(self._socket.bound) as client:
                publish_copies(client, self._settings)

    def _has_store(self) -> bool:
        """Whether there may be models; a fault of the store is reported by their publication."""
        try:
            return self._settings.store_path.is_dir()
        except OSError:
            return True

    def _poll(self, wanted: Desired) -> None:
        self._poll_due = time.monotonic() + POLL_EVERY_S
        self._server_client.refresh()
        self._training = self._server_client.training()
        if self._unneeded(wanted):
            self._socket.close()
            # A client may have connected at the last moment.
            self._ending = self._unneeded(desired_state.load(self._folder))
            if not self._ending:
                self._socket.reopen()

    def _unneeded(self, wanted: Desired) -> bool:
        return not wanted.keep and self._server_client.idle_s() > self._settings.stack_idle_s

    def _backlog(self) -> int | None:
        """The backlog; None until the worker is ready, since it says nothing before that."""
        if not self._is_open or self._client is None:
            return None
        worker = self._services.worker.pid
        return self._client.outstanding() if not worker or self._client.ready(worker) else None

    @property
    def _server_client(self) -> ServerClient:
        if self._client is None:
            from producer.machine.server_client import ServerClient

            self._client = ServerClient(self._settings, self._folder, self._socket.path)
        return self._client

    def _end(self) -> None:
        has_folder = not self._lock.lost
        if has_folder:
            self._socket.close()
        self._services.end()
        if has_folder:
            self._socket.remove()


def main() -> None:
    """Take the lock, go into the background and run the stack. Without the lock, do nothing."""
    settings = Settings.from_env()
    folder = private_stack_dir(settings)
    held = lock.Lock(folder / SUPERVISOR_LOCK)
    if not held.take(LOCK_WAIT_S):
        return
    if os.fork():
        os._exit(0)  # the child holds the lock now, so the caller can continue
    # A cleaner of old files in /tmp passes over a locked folder (tmpfiles.d(5)).
    file_lock.try_share(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    held.sign()
    process.skip_last_search()
    logs.log_to_stderr(settings, "%(asctime)s supervisor: %(message)s")
    try:
        Supervisor(settings, folder, held).run()
    except SetupError:
        raise SystemExit(1) from None  # without a traceback: the log ends with the server's error


_SIZE_BYTES = 4096


class Wakeup:
    """Once constructed, these signals end `wait` and do nothing else.

    Handlers are Python functions rather than SIG_IGN, which children would inherit.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._out, self._in = socket.socketpair()
        self._out.setblocking(False)
        self._in.setblocking(False)
        signal.set_wakeup_fd(self._in.fileno(), warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda *_: None)

    def wait(self, limit_s: float) -> set[signal.Signals]:
        """The signals that were received, at once; none after `limit_s` seconds."""
        if not select.select([self._out], [], [], limit_s)[0]:
            return set()
        return {signal.Signals(number) for number in self._out.recv(_SIZE_BYTES)}


if __name__ == "__main__":
    main()
