"""The lock of a journal: one process at a time may write it.

The lock is on the journal itself, and taking it never truncates the file (unlike the lock files of
`producer/machine/lock.py`, which contain the holder's process id).
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from shared import file_lock, regular_file
from shared.errors import SetupError, UsageError
from shared.failpoints import failpoint

#: Commands that read a journal share its lock: most for less than this, a review's page again and
#: again.
READERS_WAIT_S = 2.0
_PAUSE_S = 0.02


def take(path: Path) -> int:
    """The descriptor that holds the lock; closing it releases it. Creates a missing file.

    Raises:
        UsageError: another process has or reads the job, or `path` is a symbolic link.
        SetupError: the file cannot be opened.
    """
    while True:
        fd = _try(path)
        if not file_lock.lost(path, fd):
            return fd
        os.close(fd)  # its holder removed the file before releasing it


def remove_logs(path: Path) -> None:
    """Remove what SQLite has written beside the locked journal."""
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
        failpoint("journal.log-removed")


def empty(path: Path, lock: int) -> None:
    """Empty the locked journal and remove its log."""
    remove_logs(path)
    os.ftruncate(lock, 0)
    failpoint("journal.emptied")


def _try(path: Path) -> int:
    try:
        fd = regular_file.open_fd(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    except OSError as error:
        if os.path.islink(path):
            line = f"{path} is a symbolic link; remove it, or choose another -o"
            raise UsageError(line) from None
        raise SetupError(f"{path}: {error.strerror}; choose another -o") from None
    try:
        _lock(fd, path.with_suffix(""))
    except UsageError:
        os.close(fd)
        raise
    return fd


def _lock(fd: int, output: Path) -> None:
    if file_lock.try_acquire(fd):
        return
    if file_lock.try_share(fd):  # only readers have it; the first attempt below gives this back
        if file_lock.acquire_within(fd, READERS_WAIT_S, _PAUSE_S):
            return
        if file_lock.try_share(fd):
            raise UsageError(
                f"the job of {output} is being read by another command; run the same command "
                "again when that has ended"
            )
    raise UsageError(
        f"the job of {output} is already running; follow it with: "
        f"{shlex.join(['hangtag', 'classify', str(output)])}"
    )
