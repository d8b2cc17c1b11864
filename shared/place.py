"""Where this machine's stack lives: a private folder with the server's socket."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from shared import access
from shared.access import Address
from shared.errors import SetupError
from shared.settings import Settings

#: A socket path longer than this does not fit into a sockaddr_un.
MAX_SOCKET_PATH_BYTES = 107
_SOCKET_NAME = "redis.sock"


def runtime_dir(settings: Settings) -> Path:
    """The stack's folder; not created here."""
    if settings.runtime_dir:
        return Path(settings.runtime_dir)
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and Path(base).is_dir():
        return Path(base) / "hangtag"
    return Path("/tmp") / f"hangtag-{os.getuid()}"


def private_runtime_dir(settings: Settings) -> Path:
    """The stack's folder, created for this user only.

    Raises:
        SetupError: someone else owns it, or its path is too long for a socket.
    """
    folder = runtime_dir(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise SetupError(f"{folder} belongs to someone else; set HANGTAG_RUNTIME_DIR to a folder")
    if info.st_mode & 0o077:
        folder.chmod(0o700)
    if len(os.fsencode(folder / _SOCKET_NAME)) > MAX_SOCKET_PATH_BYTES:
        raise SetupError(
            f"{folder} is too long for a socket; set HANGTAG_RUNTIME_DIR to a short one"
        )
    return folder


def broker_url(settings: Settings) -> Address:
    """The broker: HANGTAG_REDIS_URL, or the socket of this machine's stack.

    Raises:
        SetupError: what is configured cannot be used, or should not be; see shared/access.py.
    """
    if settings.redis_url:
        return access.address(settings)
    return Address(access.SOCKET, path=str(runtime_dir(settings) / _SOCKET_NAME))


def socket_path(settings: Settings) -> Path:
    """The socket of this machine's stack."""
    return runtime_dir(settings) / _SOCKET_NAME
