"""A lock on a file: the kernel frees it when its holder dies, so it is never stale."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from producer.processes.process_handle import ManagedProcess
from shared import file_lock

#: Held by the supervisor as long as it lives, and signed by it.
SUPERVISOR = "supervisor.lock"
#: Held by whoever starts, scales or ends the stack.
START = "start.lock"
_POLL_S = 0.01


class Lock:
    """A lock that may be held, with its holder's identity written inside.

    The file stays when the lock is freed: removing it would let two processes hold "the" lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1

    def take(self, wait_s: float) -> bool:
        """Take it, within `wait_s` seconds; answers whether it was got. Forks share it."""
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not file_lock.acquire_within(self._file, wait_s, _POLL_S):
            self.free()
            return False
        os.ftruncate(self._file, 0)  # whoever signed it held it before
        return True

    def free(self) -> None:
        """Let the next one have it."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def sign(self, holder: ManagedProcess) -> None:
        """Write down who holds it."""
        os.pwrite(self._file, msgspec.json.encode(holder), 0)

    @property
    def lost(self) -> bool:
        """Whether the file that is locked is no longer the one at the path."""
        try:
            return not os.path.samestat(os.fstat(self._file), self.path.stat())
        except OSError:
            return True


@contextmanager
def locked(path: Path, wait_s: float) -> Iterator[None]:
    """Hold the lock for a block. Raises TimeoutError if another one keeps it for `wait_s`."""
    lock = Lock(path)
    if not lock.take(wait_s):
        raise TimeoutError(f"{path} is held by another process")
    try:
        yield
    finally:
        lock.free()


def held(path: Path) -> bool:
    """Whether some process holds the lock at this moment."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not file_lock.try_share(file)
    finally:
        os.close(file)


def holder(path: Path) -> ManagedProcess | None:
    """Who signed the lock last; None if nobody did."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ManagedProcess)
    except (OSError, msgspec.MsgspecError):
        return None
