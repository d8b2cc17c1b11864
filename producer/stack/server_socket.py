"""The socket that clients connect to, opened once the server is ready to use.

The server binds another name, and the only supervisor renames it. So no client connects before the
models are published or after the decision to end, and no server removes or replaces the socket of
another one.
"""

from __future__ import annotations

import socket
from pathlib import Path

from shared.stop import Waits, unstoppable

#: No longer than the socket's own name, whose length was checked.
_BOUND_NAME = "new.sock"
_CLOSED_NAME = "old.sock"
_TIMEOUT_S = 1.0


class ServerSocket:
    """The socket at `path`; a server binds `bound`, beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bound = path.with_name(_BOUND_NAME)
        self._closed = path.with_name(_CLOSED_NAME)

    def open(self) -> None:
        """Make the server at `bound` accessible."""
        self.bound.replace(self.path)

    def close(self) -> None:
        """Accept no new clients; connected ones stay."""
        if self.path.exists():
            self.path.replace(self._closed)

    def reopen(self) -> None:
        """Undo `close`."""
        if self._closed.exists():
            self._closed.replace(self.path)

    def remove(self) -> None:
        """Remove all names of the socket."""
        for path in (self.path, self.bound, self._closed):
            path.unlink(missing_ok=True)


def is_ready(path: Path, waits: Waits | None = None) -> bool:
    """Whether a server replies to PING at the socket `path`. It takes well under a millisecond; for
    a silent server it is one of `waits`, and may raise Stopped."""
    waits = waits or unstoppable()
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
        waits.at(connection),
    ):
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
