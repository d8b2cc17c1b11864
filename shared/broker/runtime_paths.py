"""The folder of this machine's stack, which holds the server's socket.

Each version of Hangtag and each store has its own below the user's runtime folder. That is the same
in every session of a user: a folder of the login ($XDG_RUNTIME_DIR) is not known to cron and is
removed at logout, under jobs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import stat
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from shared import file_lock, installation
from shared.broker import address
from shared.broker.address import Address
from shared.errors import SetupError
from shared.settings import Settings

#: A longer path does not fit into a sockaddr_un.
MAX_SOCKET_PATH_BYTES = 107
_SOCKET_NAME = "redis.sock"
LOG_NAME = "stack.log"
#: Locked by the supervisor while it runs.
SUPERVISOR_LOCK = "supervisor.lock"
#: The number of children of the stack's worker, as the supervisor wants it now.
CHILDREN_NAME = "children"
_NAME_CHARS = 8
_STACK = re.compile(f"[0-9a-f]{{{_NAME_CHARS}}}")
#: The group or all others may write to a folder or enter it.
_USED_BY_OTHERS = 0o033
#: Holds the runtime folder of each user.
BASE = Path("/tmp")


def runtime_dir(settings: Settings) -> Path:
    """This user's runtime folder, with the folders of the stacks; not created here.

    Raises:
        SetupError: it is not a folder of this user: everyone may write to BASE.
    """
    if settings.runtime_dir:
        return Path(settings.runtime_dir)
    folder = BASE / f"hangtag-{os.getuid()}"
    with suppress(FileNotFoundError):
        _check_owner(folder)
    return folder


def stack_dir(settings: Settings) -> Path:
    """The folder of the stack of this version and store; not created here. Raises SetupError."""
    identity = json.dumps([installation.version(), os.path.realpath(settings.store_path)])
    digest = hashlib.sha256(identity.encode()).hexdigest()
    return runtime_dir(settings) / digest[:_NAME_CHARS]


def has_supervisor(folder: Path) -> bool:
    """Whether the stack of a folder runs. Raises OSError."""
    return file_lock.held(folder / SUPERVISOR_LOCK)


def stack_id(settings: Settings) -> str:
    """HOST:FOLDER of this machine's stack, to which a request is given; empty at a broker. Raises
    SetupError."""
    if settings.redis_url:
        return ""
    folder = os.path.abspath(stack_dir(settings))
    return f"{socket.gethostname()}:{quote_from_bytes(os.fsencode(folder))}"


def is_in_charge(settings: Settings, stack: str) -> bool:
    """Whether the broker or stack in use does the requests that are given to `stack`.

    Those of its own, and of a stack of this machine that has ended. Files of another machine may be
    missing here, and a stack that runs does its own. Raises SetupError.
    """
    if stack == stack_id(settings):
        return True
    host, _, folder = stack.partition(":")
    if host != socket.gethostname():
        return False
    try:
        return not has_supervisor(Path(os.fsdecode(unquote_to_bytes(folder))))
    except OSError:  # it is another user's
        return False


def check_stack_dir(settings: Settings) -> None:
    """Refuse the folders that `private_stack_dir` refuses; nothing is created.

    Raises:
        SetupError: another user owns one, others use the runtime folder for other files, or the
            path is too long for a socket.
    """
    folder = stack_dir(settings)
    if len(os.fsencode(folder / _SOCKET_NAME)) > MAX_SOCKET_PATH_BYTES:
        raise SetupError(
            f"{folder} is too long for a socket; set HANGTAG_RUNTIME_DIR to a shorter path"
        )
    _check_unshared(runtime_dir(settings))
    with suppress(FileNotFoundError):
        _check_owner(folder)


def private_stack_dir(settings: Settings) -> Path:
    """The folder of this machine's stack, created for this user only.

    Raises:
        SetupError: as `check_stack_dir`.
    """
    check_stack_dir(settings)
    _private(runtime_dir(settings))
    return _private(stack_dir(settings))


def broker_url(settings: Settings) -> Address:
    """The broker: HANGTAG_REDIS_URL, or the socket of this machine's stack.

    Raises:
        SetupError: the configuration is unusable or insecure; see shared/broker/address.py.
    """
    if settings.redis_url:
        return address.address(settings)
    return Address(address.SOCKET, path=str(socket_path(settings)))


def socket_path(settings: Settings) -> Path:
    return stack_dir(settings) / _SOCKET_NAME


def wanted_children(settings: Settings) -> int | None:
    """The number of children that a worker of this machine's stack is to have; None at a broker, or
    if it cannot be read."""
    with suppress(OSError, ValueError, SetupError):
        if not settings.redis_url:
            return int((stack_dir(settings) / CHILDREN_NAME).read_bytes())
    return None


def log_path(settings: Settings) -> Path:
    return stack_dir(settings) / LOG_NAME


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _check_owner(folder).st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def _check_unshared(folder: Path) -> None:
    """Raises SetupError if the folder is not for stacks alone: `_private` would lock others out."""
    with suppress(FileNotFoundError):
        mode = _check_owner(folder).st_mode
        shared = mode & _USED_BY_OTHERS and not all(map(_STACK.fullmatch, os.listdir(folder)))
        if shared or mode & stat.S_ISVTX:
            raise SetupError(
                f"{folder} is not for this user's stacks alone; set HANGTAG_RUNTIME_DIR to a "
                f"folder in it, such as {folder / f'hangtag-{os.getuid()}'}"
            )


def _check_owner(folder: Path) -> os.stat_result:
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise SetupError(
            f"{folder} is not a folder of this user; set HANGTAG_RUNTIME_DIR to another folder"
        )
    return info
