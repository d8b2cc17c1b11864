"""The folder of this machine's stack, which holds the server's socket.

Each installation has its own below the user's runtime folder, so that no command uses a stack that
lacks packages of its own environment. The runtime folder is the same in every session of a user: a
folder of the login ($XDG_RUNTIME_DIR) is not known to cron and is removed at logout, under jobs.
"""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from shared import installation
from shared.broker import address
from shared.broker.address import Address
from shared.errors import SetupError
from shared.settings import Settings

#: A longer path does not fit into a sockaddr_un.
MAX_SOCKET_PATH_BYTES = 107
_SOCKET_NAME = "redis.sock"
_LIVENESS = "alive"  #: of worker/lifecycle/liveness_file.py
LOG_NAME = "stack.log"
_STACK = re.compile(f"[0-9a-f]{{{installation.NAME_CHARS}}}")
#: A symbolic link, since it is made with its content in one step: TOKEN@HOST.
_TOKEN = "token"
_TOKEN_BYTES = 4
#: The group or all others may write to a folder or enter it.
_USED_BY_OTHERS = 0o033
_HOST_CHARS = 64
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


def stack_name(settings: Settings) -> str:
    """The name of the installation whose stack is used.

    Raises:
        SetupError: the setting is not the name of an installation.
    """
    name = settings.installation or installation.name()
    if not _STACK.fullmatch(name):
        raise SetupError(
            f"HANGTAG_INSTALLATION={name!r:.40} is not an installation's name; unset it"
        )
    return name


def stack_dir(settings: Settings) -> Path:
    """The folder of this installation's stack; not created here. Raises SetupError."""
    return runtime_dir(settings) / stack_name(settings)


def stack_id(settings: Settings) -> str:
    """The identity of this installation's stack in a store: NAME-TOKEN@HOST.

    Several runtime folders or machines may share a store, and the same path may exist on several
    machines or in containers.
    The token is random and lives as long as the stack's folder. NAME alone if there is no folder.
    """
    try:
        return f"{stack_name(settings)}-{os.readlink(stack_dir(settings) / _TOKEN)}"
    except OSError:
        return stack_name(settings)


def stack_names(settings: Settings) -> Iterator[str]:
    """The installations that have or had a stack here, in any order."""
    with suppress(OSError):  # there has never been a stack
        yield from filter(_STACK.fullmatch, os.listdir(runtime_dir(settings)))


def private_runtime_dir(settings: Settings) -> Path:
    """This user's runtime folder, created for this user only.

    Raises:
        SetupError: another user owns it, or others use it for other files.
    """
    folder = runtime_dir(settings)
    _check_unshared(folder)
    return _private(folder)


def check_stack_dir(settings: Settings) -> None:
    """Refuse the folders that `private_stack_dir` refuses; nothing is created.

    Raises:
        SetupError: as `private_stack_dir`.
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
    """The folder of this installation's stack, created for this user only.

    Raises:
        SetupError: as `private_runtime_dir`; or its path is too long for a socket.
    """
    check_stack_dir(settings)
    folder = stack_dir(settings)
    private_runtime_dir(settings)
    _private(folder)
    if not os.path.lexists(folder / _TOKEN):
        host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())[:_HOST_CHARS]
        with suppress(FileExistsError):
            (folder / _TOKEN).symlink_to(f"{os.urandom(_TOKEN_BYTES).hex()}@{host}")
    return folder


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
        shared = mode & _USED_BY_OTHERS and not all(map(_is_own, os.listdir(folder)))
        if shared or mode & stat.S_ISVTX:
            raise SetupError(
                f"{folder} is not for this user's stacks alone; set HANGTAG_RUNTIME_DIR to a "
                f"folder in it, such as {folder / f'hangtag-{os.getuid()}'}"
            )


def _is_own(entry: str) -> bool:
    return entry == _LIVENESS or _STACK.fullmatch(entry) is not None


def _check_owner(folder: Path) -> os.stat_result:
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise SetupError(
            f"{folder} is not a folder of this user; set HANGTAG_RUNTIME_DIR to another folder"
        )
    return info
