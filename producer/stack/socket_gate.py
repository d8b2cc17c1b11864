"""The socket that clients find, opened when everything behind it is ready.

The server binds another name. The supervisor, of which there is one, renames it: so no client
comes in before the models are there or after the end was decided, and no server ever removes or
takes the socket of another.
"""

from __future__ import annotations

import socket
from pathlib import Path

#: No longer than the socket's own name, whose length was checked.
_BOUND_NAME = "new.sock"
_CLOSED_NAME = "old.sock"
_TIMEOUT_S = 1.0


class SocketGate:
    """The socket at `path`; a server binds `bound`, beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bound = path.with_name(_BOUND_NAME)
        self._closed = path.with_name(_CLOSED_NAME)

    def open(self) -> None:
        """Show the server that answers at `bound`."""
        self.bound.replace(self.path)

    def close(self) -> None:
        """Let nobody in any more; who is in stays in."""
        if self.path.exists():
            self.path.replace(self._closed)

    def reopen(self) -> None:
        """After all, let them in."""
        if self._closed.exists():
            self._closed.replace(self.path)

    def remove(self) -> None:
        """Nothing is left behind it."""
        for path in (self.path, self.bound, self._closed):
            path.unlink(missing_ok=True)


def is_ready(path: Path) -> bool:
    """Whether a server answers PING at the socket `path`. It takes well under a millisecond."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
