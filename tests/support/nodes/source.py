"""The process that collects the tests once, and whose copies (forks) run them.

Six processes that each import TensorFlow and collect 6,000 tests take 33 s of a core, a copy takes
0.1 s. A test process that dies is replaced by a new copy.
"""

from __future__ import annotations

import socket
import threading

import pytest

from tests.support.nodes import node
from tests.support.processes.copy_source import CopySource

COLLECTED = b"collected"
_FDS = 3  #: the input, the output, and where the end is reported


class Source:
    """A plugin of pytest that waits, instead of running tests, and runs them in each copy."""

    def __init__(self, controller: socket.socket, listener: socket.socket) -> None:
        self._controller, self._listener = controller, listener
        self._failed: list[pytest.CollectReport] = []
        self._thread: threading.Thread | None = None
        self._copies: CopySource | None = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._failed.append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._controller.send(COLLECTED)
        self._copies = CopySource(self._listener, self._controller.detach(), _FDS, leads=True)
        if copied := self._copies.next_copy():
            self._thread = node.connect(*copied[1])
            node.run_tests(session, self._failed)
        return True

    def end(self) -> None:
        if self._thread:
            node.end(self._thread)
