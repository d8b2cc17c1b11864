"""Locks on open files. The kernel frees a lock when its last descriptor closes: no stale locks."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared import regular_file


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """The file, open to append, under the exclusive lock, for which this waits. Raises as
    `regular_file.open_to_append`."""
    file = regular_file.open_to_append(path)
    try:
        acquire(file)
        yield file
    finally:
        os.close(file)


def acquire(file: int) -> None:
    """Wait for the exclusive lock."""
    fcntl.flock(file, fcntl.LOCK_EX)


def acquire_within(
    file: int, wait_s: float, pause_s: float, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Poll for the exclusive lock for up to `wait_s`; returns whether it was acquired."""
    deadline = time.monotonic() + wait_s
    while not try_acquire(file):
        if time.monotonic() > deadline:
            return False
        sleep(pause_s)
    return True


def try_acquire(file: int) -> bool:
    """Acquire the exclusive lock, unless another process holds it."""
    return _try(file, fcntl.LOCK_EX)


def try_share(file: int) -> bool:
    """Acquire a shared lock, unless another process holds the exclusive one."""
    return _try(file, fcntl.LOCK_SH)


def held(path: Path) -> bool:
    """Whether a process holds the exclusive lock. Raises OSError if the file cannot be opened."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_share(file)
    finally:
        os.close(file)


def lost(path: Path, file: int) -> bool:
    """Whether the locked file was removed or replaced at its path."""
    try:
        return not os.path.samestat(path.lstat(), os.fstat(file))
    except OSError:
        return True


def _try(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
