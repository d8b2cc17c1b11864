"""A request to end work: from any thread, or from a signal handler, which may run in the same one.

Each wait for a server is one at a socket, but for that for the address of its name. A request shuts
the sockets of these waits down, so that each ends at once, also while the server is silent. Nothing
else is interrupted: a look-up of a name ends with the resolver's answer or time limit, and what is
not a wait ends where it checks.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from shared.errors import Stopped


class Stop:
    """What a caller has of its work, of one or of several jobs, to end it."""

    def __init__(self) -> None:
        self.requested = False
        self._waits: set[Waits] = set()

    def request(self) -> None:
        """Ask for the end. A signal handler may call it, also in the middle of a wait."""
        self.requested = True
        for waits in tuple(self._waits):
            waits.cut()


class Waits:
    """The waits of one attempt, which a stop or a time limit ends until it is closed."""

    def __init__(self, stop: Stop) -> None:
        self.late = False  #: whether the time limit has passed
        self._stop, self._open = stop, True
        self._sockets: set[socket.socket] = set()
        #: A socket is not closed while another thread shuts it down: its number may be another's by
        #: then. A signal handler may hold it a second time.
        self._lock = threading.RLock()
        stop._waits.add(self)

    @property
    def is_ending(self) -> bool:
        """Whether the work is to end."""
        return self._open and (self._stop.requested or self.late)

    def check(self) -> None:
        """Raises Stopped if the work is to end."""
        if self.is_ending:
            raise Stopped

    def cut(self) -> None:
        """End the current wait. Each later one ends when it adds its socket."""
        with self._lock:
            for connected in tuple(self._sockets):
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

    def add(self, connected: socket.socket) -> None:
        """Shut this socket down when the work is to end. Raises Stopped if that is now."""
        with self._lock:
            self._sockets.add(connected)
        self.check()  # afterwards: a request that comes in between has found it, or is found

    def remove(self, connected: socket.socket) -> None:
        """Leave it alone from now on. It may be closed then."""
        with self._lock:
            self._sockets.discard(connected)

    @contextmanager
    def at(self, connected: socket.socket) -> Iterator[None]:
        """Shut this socket down, when the work is to end, for a block. Raises Stopped then."""
        try:
            self.add(connected)
            yield
        finally:
            self.remove(connected)
        self.check()

    def sleep(self, seconds: float) -> None:
        """Raises Stopped, as soon as the work is to end."""
        near, far = socket.socketpair()  # nothing is ever sent
        with near, far, self.at(near), suppress(TimeoutError):
            near.settimeout(seconds)
            near.recv(1)

    def until_readable(self, file: int) -> None:
        """Wait for what comes through a pipe, or its end. Raises Stopped as `sleep`."""
        near, far = socket.socketpair()
        with near, far, self.at(near):
            poll = select.poll()
            for descriptor in (file, near.fileno()):
                poll.register(descriptor, select.POLLIN)
            poll.poll()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """End the work in a block after this time, which may be infinite."""
        timer = threading.Timer(min(max(seconds, 0.0), threading.TIMEOUT_MAX), self._end_late)
        timer.daemon = True
        if seconds != float("inf"):
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end_late(self) -> None:
        self.late = True
        self.cut()

    def successor(self) -> Waits:
        """Close these; return those of the work that follows, which only a later request ends."""
        self.close()
        return Waits(Stop() if self._stop.requested else self._stop)

    def close(self) -> None:
        """From now on nothing ends a wait."""
        self._open = False
        self._stop._waits.discard(self)


def unstoppable() -> Waits:
    """The waits of work that no caller can stop."""
    return Waits(Stop())
