"""The process that collects the tests once, and whose copies (forks) run them.

Six processes that each import TensorFlow and collect 6,000 tests take 33 s of a core, a copy takes
0.1 s. A test process that dies is replaced by a new copy.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from typing import NamedTuple

import pytest

from tests.support.nodes import node

COLLECTED = b"collected"
_FDS = 2


class _Copy(NamedTuple):
    pid: int
    client: socket.socket


class Source:
    """A plugin of pytest that waits, instead of running tests, and runs them in each copy."""

    def __init__(self, controller: socket.socket, listener: socket.socket) -> None:
        self._controller, self._listener = controller, listener
        self._running: dict[int, _Copy] = {}  # by the file descriptor of the process
        self._failed: list[pytest.CollectReport] = []
        self._thread: threading.Thread | None = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._failed.append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._controller.send(COLLECTED)
        if streams := self._next_copy():
            self._thread = node.connect(*streams)
            node.run_tests(session, self._failed)
        return True

    def end(self) -> None:
        if self._thread:
            node.end(self._thread)

    def _next_copy(self) -> list[int] | None:
        """In a copy, its input and output. In the source None, when the controller has ended."""
        while True:
            clients = {copy.client.fileno(): copy for copy in self._running.values()}
            watched = [self._controller.fileno(), self._listener.fileno(), *clients, *self._running]
            for fd in select.select(watched, [], [])[0]:
                if fd == self._controller.fileno():
                    return None
                if fd in self._running:
                    self._report_end(fd)
                elif fd in clients:
                    os.kill(clients[fd].pid, signal.SIGKILL)
                elif streams := self._copied():
                    return streams

    def _copied(self) -> list[int] | None:
        client, _ = self._listener.accept()
        _, streams, *_ = socket.recv_fds(client, 16, _FDS)
        pid = os.fork()
        if pid:
            self._running[os.pidfd_open(pid)] = _Copy(pid, client)
            for fd in streams:
                os.close(fd)
            return None
        client.close()
        self._close()
        return streams

    def _report_end(self, process: int) -> None:
        copy = self._running.pop(process)
        os.close(process)
        os.waitpid(copy.pid, 0)
        copy.client.close()

    def _close(self) -> None:
        """Leave the sockets to the source."""
        for process, copy in self._running.items():
            os.close(process)
            copy.client.close()
        self._controller.close()
        self._listener.close()
