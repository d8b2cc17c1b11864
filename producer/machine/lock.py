"""File locks that name their holder. The kernel frees a lock when its holder dies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared import file_lock

#: Held by a command that starts, scales or ends the stack.
START = "start.lock"
_POLL_S = 0.01


class Lock:
    """A lock that may be held, with its holder's pid written inside.

    The file stays when the lock is freed: removing it would let two processes hold "the" lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1

    def take(self, wait_s: float, sleep: Callable[[float], None] = time.sleep) -> bool:
        """Take the lock within `wait_s` seconds; returns whether that succeeded. Forks share it.
        `sleep` may raise what ends the wait."""
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            acquired = file_lock.acquire_within(self._file, wait_s, _POLL_S, sleep)
        except BaseException:
            self.free()
            raise
        if not acquired:
            self.free()
            return False
        os.ftruncate(self._file, 0)  # removes a previous holder's pid
        return True

    def free(self) -> None:
        """Release the lock."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def sign(self) -> None:
        """Write the pid of this process to the file."""
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    @property
    def lost(self) -> bool:
        """Whether the locked file was removed or replaced at its path."""
        return file_lock.lost(self.path, self._file)


@contextmanager
def locked(
    path: Path, wait_s: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Hold the lock for a block. `sleep` may raise what ends the wait for it. Raises TimeoutError
    if it is not free within `wait_s`."""
    lock = Lock(path)
    if not lock.take(wait_s, sleep):
        raise TimeoutError(f"{path} is held by another process")
    try:
        yield
    finally:
        lock.free()


def holder(path: Path) -> int:
    """The pid of the process that holds the lock; 0 if there is none, or it has not signed yet."""
    try:
        return int(path.read_bytes()) if file_lock.held(path) else 0
    except (OSError, ValueError):
        return 0
