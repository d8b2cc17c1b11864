"""A process of this machine's stack, identified by its pid and start time, and their list.

The list is a file, so that after a crash the next supervisor can end leftover processes. The pid
may have been reused by then, so no signal is sent to a process with another start time.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from shared import atomic_file
from shared.process import started

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
