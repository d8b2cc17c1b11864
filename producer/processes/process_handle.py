"""A process of this machine's stack, known by its number and its start, and the list of them.

The list is a file, so that whoever comes after a crash can end what was left behind. A number
alone may belong to someone else by then, so nothing is ever sent to a process whose start differs.
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
    """One process. `started` is in clock ticks since boot, 0 where that cannot be told."""

    name: str
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether it still runs; a zombie, which nobody may ever fetch, does not."""
        return self.started > 0 and started(self.pid) == self.started and not _zombie(self.pid)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still the process that is meant."""
        if self.alive:
            with suppress(ProcessLookupError):  # it ended in between
                os.kill(self.pid, number)

    def wait(self, limit_s: float) -> bool:
        """Wait until it has ended, `limit_s` seconds at most; answers whether it has."""
        deadline = time.monotonic() + limit_s
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def end(self, grace_s: float) -> None:
        """End it: in good order if it does so within `grace_s` seconds."""
        self.send(signal.SIGTERM)
        if not self.wait(grace_s):
            self.send(signal.SIGKILL)
            self.wait(grace_s)


def managed_process(name: str, pid: int) -> ManagedProcess:
    """The process that has this number now."""
    return ManagedProcess(name, pid, started(pid))


def save_roster(folder: Path, members: list[ManagedProcess]) -> None:
    """Write down which processes there are."""
    atomic_file.replace_volatile(folder / _ROSTER, msgspec.json.encode(members))


def load_roster(folder: Path) -> list[ManagedProcess]:
    """The processes that were written down last."""
    try:
        return msgspec.json.decode((folder / _ROSTER).read_bytes(), type=list[ManagedProcess])
    except (OSError, msgspec.MsgspecError):
        return []


def forget_roster(folder: Path) -> None:
    """There are no processes any more."""
    (folder / _ROSTER).unlink(missing_ok=True)


def _zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"
