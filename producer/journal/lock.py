"""Who may write a journal: one process at a time, for as long as it lives.

The lock is on the journal itself, which is never truncated by taking it (unlike the files of
`producer/processes/lock.py`, in which the holder signs).
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from shared import file_lock
from shared.errors import SetupError, UsageError
from shared.failpoints import failpoint


def take(path: Path) -> int:
    """The descriptor that holds the lock; closing it lets go. Creates the file if need be.

    Raises:
        UsageError: another process has the job, or `path` is a symbolic link.
        SetupError: the file cannot be opened.
    """
    while True:
        fd = _try(path)
        if not lost(path, fd):
            return fd
        os.close(fd)  # its holder removed the file before letting go of it


def lost(path: Path, lock: int) -> bool:
    """Whether the locked file is no longer the one at the path."""
    try:
        return path.lstat().st_ino != os.fstat(lock).st_ino
    except OSError:
        return True


def empty(path: Path, lock: int) -> None:
    """Make the locked journal a new one, whatever it held."""
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
        failpoint("journal.log-removed")
    os.ftruncate(lock, 0)
    failpoint("journal.emptied")


def _try(path: Path) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            line = f"{path} is a symbolic link; remove it, or choose another -o"
            raise UsageError(line) from None
        raise SetupError(f"{path}: {error.strerror}; choose another -o") from None
    if not file_lock.try_acquire(fd):
        os.close(fd)
        output = path.with_suffix("")
        raise UsageError(
            f"the job of {output} is running already; follow it with: hangtag collect {output}"
        )
    return fd
