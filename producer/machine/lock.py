"""Processes by pid and start time, their list, and file locks with the identity of the holder.

The kernel frees a lock when its holder dies. The list is a file, so that after a crash the next
supervisor can end leftover processes. A pid may have been reused by then, so no signal is sent to a
process with another start time.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from shared import atomic_file, file_lock
from shared.process import started

#: Held by a command that starts, scales or ends the stack.
START = "start.lock"
_POLL_S = 0.01
_ROSTER = "members.json"


class ManagedProcess(msgspec.Struct, frozen=True):
    """One process. `started` is in clock ticks since boot, 0 if unknown."""

    name: str
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether it still runs; a zombie, which may never be reaped, does not."""
        return self.started > 0 and started(self.pid) == self.started and not _zombie(self.pid)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if its pid was not reused."""
        if self.alive:
            with suppress(ProcessLookupError):  # it ended in between
                os.kill(self.pid, number)

    def wait(self, limit_s: float) -> bool:
        """Wait at most `limit_s` seconds for its end; returns whether it has ended."""
        deadline = time.monotonic() + limit_s
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def end(self, grace_s: float) -> None:
        """Send SIGTERM, and SIGKILL if it still runs after `grace_s` seconds."""
        self.send(signal.SIGTERM)
        if not self.wait(grace_s):
            self.send(signal.SIGKILL)
            self.wait(grace_s)


def managed_process(name: str, pid: int) -> ManagedProcess:
    """The process that has this pid now."""
    return ManagedProcess(name, pid, started(pid))


def save_roster(folder: Path, members: list[ManagedProcess]) -> None:
    """Write the list of processes."""
    atomic_file.replace_volatile(folder / _ROSTER, msgspec.json.encode(members))


def load_roster(folder: Path) -> list[ManagedProcess]:
    """Read the list of processes."""
    try:
        return msgspec.json.decode((folder / _ROSTER).read_bytes(), type=list[ManagedProcess])
    except (OSError, msgspec.MsgspecError):
        return []


def forget_roster(folder: Path) -> None:
    """Delete the list of processes."""
    (folder / _ROSTER).unlink(missing_ok=True)


def _zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


class Lock:
    """A lock that may be held, with its holder's identity written inside.

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
            taken = file_lock.acquire_within(self._file, wait_s, _POLL_S, sleep)
        except BaseException:
            self.free()
            raise
        if not taken:
            self.free()
            return False
        os.ftruncate(self._file, 0)  # removes a previous holder's identity
        return True

    def free(self) -> None:
        """Release the lock."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def sign(self, holder: ManagedProcess) -> None:
        """Write the holder's identity to the file."""
        data = msgspec.json.encode(holder)
        os.pwrite(self._file, data, 0)
        os.ftruncate(self._file, len(data))  # without the rest of longer earlier data

    def unsign(self) -> None:
        """Remove the holder's identity: one that stays is that of a killed holder."""
        os.ftruncate(self._file, 0)

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


def holder(path: Path) -> ManagedProcess | None:
    """The process that signed the lock last; None if there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ManagedProcess)
    except (OSError, msgspec.MsgspecError):
        return None
