"""Opens a path that a user or a log names, if it is a stored file and nothing else.

Opening a named pipe waits for its other end, a device may have no end, and a file below /proc may
wait for the kernel.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from io import BufferedReader
from pathlib import Path

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISREG, "a file of the kernel"),
)
_NEVER_WAIT = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_fd(path: str | bytes | Path, flags: int, mode: int = 0o600) -> int:
    """As `os.open`. Raises OSError with the reason as its text if it is not a regular file."""
    try:
        fd = os.open(path, flags | _NEVER_WAIT, mode)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket, or a pipe without a reader
            raise _refused(path, "not a regular file") from None
        raise
    try:
        _check(path, os.fstat(fd))
    except BaseException:
        os.close(fd)
        raise
    return fd


def open_file(path: str | bytes | Path) -> BufferedReader:
    """The file, to read. Raises as `open_fd`."""
    return open(path, "rb", opener=open_fd)


def open_to_append(path: Path) -> int:
    """The file, which is created if it is missing. Raises as `open_fd`, also for a link."""
    return open_fd(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)


def read(path: str | bytes | Path, max_bytes: int) -> bytes:
    """The bytes of a file, at most one more than `max_bytes`. Raises as `open_fd`."""
    with open_file(path) as file:
        return file.read(max_bytes + 1)


def sha256(path: str | bytes | Path) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises as `open_fd`."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verified(path: Path, sha256: str) -> BufferedReader | None:
    """The file with this SHA-256, at its start; None if it is missing, a link or another one."""
    try:
        file = os.fdopen(open_fd(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except OSError:
        return None
    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
        file.close()
        return None
    file.seek(0)
    return file


def check(path: str | bytes | Path) -> None:
    """Check what a library is about to open. Raises as `open_fd`, also if there is no file."""
    _check(path, os.stat(path))


def _check(path: str | bytes | Path, info: os.stat_result) -> None:
    if stat.S_ISREG(info.st_mode) and not _is_of_kernel(info):
        return
    kind = next((name for is_kind, name in _KINDS if is_kind(info.st_mode)), "a device")
    raise _refused(path, f"{kind}, not a regular file")


def _is_of_kernel(info: os.stat_result) -> bool:
    """Whether a file lies in /proc: it has no size, and reading some of them waits."""
    try:
        return info.st_dev == os.stat("/proc").st_dev != os.stat("/").st_dev
    except OSError:
        return False


def _refused(path: str | bytes | Path, reason: str) -> OSError:
    return OSError(errno.EINVAL, reason, os.fsdecode(path))
