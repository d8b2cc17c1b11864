"""Which web servers answer: an address that fails, while others are answered, costs a row; if none
is, the job stops, since the network may be at fault."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from producer.sources.remote.address import Address

#: A list may name any number of servers; those that answered last are remembered.
SERVERS_MAX = 1000


class Server:
    """What is known of a server. Its fields belong to `Servers`."""

    def __init__(self, servers: Servers, host: bytes) -> None:
        self._servers, self.host = servers, host
        self.is_silent = False  #: whether its last answer was none
        self.answered_s = float("-inf")  #: monotonic
        self.answered: Address | None = None  #: the last one
        self.requests = 0  #: that are in progress

    def answers(self, address: Address) -> None:
        with self._servers.changed:
            self.is_silent, self.answered_s, self.answered = False, time.monotonic(), address
            self._servers.changed.notify_all()

    def fails(self) -> None:
        with self._servers.changed:
            self.is_silent = True
            self._servers.changed.notify_all()


class Servers:
    """All servers of a job, for several threads."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._known: dict[bytes, Server] = {}
        self._closed = False

    @contextmanager
    def asked(self, host: bytes) -> Iterator[Server]:
        """The server of a request that is in progress during a block."""
        with self.changed:
            if len(self._known) >= SERVERS_MAX:
                self._forget_half()
            server = self._known.setdefault(host, Server(self, host))
            server.requests += 1
        try:
            yield server
        finally:
            with self.changed:
                server.requests -= 1
                self.changed.notify_all()

    def others_answer(self, failed: Server) -> bool:
        """Whether another server answers while this one does not: one that is asked now, or one
        that has answered in this run."""
        others = [each for each in self._known.copy().values() if each is not failed]

        def decided() -> bool:
            return self._closed or answered() or not any(waited(each) for each in others)

        def answered() -> bool:
            return any(each.answered_s > float("-inf") and not each.is_silent for each in others)

        def waited(each: Server) -> bool:
            return each.requests > 0 and not each.is_silent

        with self.changed:
            self.changed.wait_for(decided)
            return answered()

    def _forget_half(self) -> None:
        idle = [each for each in self._known.values() if not each.requests]
        idle.sort(key=lambda each: each.answered_s)
        for each in idle[: SERVERS_MAX // 2]:
            del self._known[each.host]

    def close(self) -> None:
        with self.changed:
            self._closed = True
            self.changed.notify_all()
