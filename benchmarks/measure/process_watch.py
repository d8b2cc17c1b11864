"""Samples every process of a run 20 times a second: peak memory and processor time, by role."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from benchmarks.environment.paths import TAG

INTERVAL_S = 0.05
#: A newly forked process still has its parent's environment and command line.
_SAMPLES_UNTIL_KNOWN = 10
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_USER_FIELD, _SYSTEM_FIELD = 11, 12  # of /proc/PID/stat, counted after the command's bracket

#: The role of a process by a part of its command line; the first match counts.
ROLES = (
    ("valkey-server", "Redis server"),
    ("redis-server", "Redis server"),
    ("worker.app", "worker parent"),
    ("worker.trainer", "trainer parent"),
    ("producer.cli", "producer"),
    ("benchmarks.contenders.bare_loop", "bare loop, parent"),
    ("producer.machine.supervisor", "supervisor"),
)
#: The role of a process whose parent has the same role.
CHILDREN = {
    "worker parent": "worker child",
    "trainer parent": "trainer child",
    "bare loop, parent": "bare loop, child",
}
OTHER = "other"


class Watch(threading.Thread):
    """Use as a context manager; the figures are complete after its exit."""

    def __init__(self, tag: str) -> None:
        super().__init__(name="watch", daemon=True)
        self._tag = tag
        self._stopped = threading.Event()
        self._samples: dict[int, int] = defaultdict(int)
        self._roles: dict[int, str] = {}  # "" is a process of another program
        self._cpu: dict[int, tuple[str, int, int]] = {}  # pid -> role, first and last ticks
        self.peaks: dict[str, int] = defaultdict(int)  #: bytes of the largest process of a role
        self.together = 0  #: bytes of all at one moment; shared pages count in each

    def __enter__(self) -> Watch:
        self._sample(started=True)
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self.join()
        self._sample()

    def run(self) -> None:
        while not self._stopped.wait(INTERVAL_S):
            self._sample()

    @property
    def cpu_s(self) -> dict[str, float]:
        """Processor time of each role, in seconds, without the last moments of a process."""
        sums: dict[str, float] = defaultdict(float)
        for role, first, last in self._cpu.values():
            sums[role] += (last - first) / _TICKS_PER_S
        return dict(sums)

    def _sample(self, started: bool = False) -> None:
        together = 0
        for pid in pids():
            if role := self._role(pid):
                together += self._note(pid, role, started)
        self.together = max(self.together, together)

    def _note(self, pid: int, role: str, started: bool) -> int:
        try:
            status, stat = _read(pid, "status"), _read(pid, "stat")
        except OSError:
            return 0
        ticks = _ticks(stat)
        _, first, _ = self._cpu.get(pid, ("", ticks if started else 0, 0))
        self._cpu[pid] = role, first, ticks
        self.peaks[role] = max(self.peaks[role], _bytes(status, b"VmHWM:"))
        return _bytes(status, b"VmRSS:")

    def _role(self, pid: int) -> str:
        if self._samples[pid] < _SAMPLES_UNTIL_KNOWN:
            self._samples[pid] += 1
            self._roles[pid] = role_of(pid) if is_tagged(pid, self._tag) else ""
        return self._roles[pid]


def pids() -> Iterator[int]:
    """Every process of this machine."""
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def is_tagged(pid: int, tag: str) -> bool:
    """Whether a process was started with this tag in its environment.

    The server overwrites its environment with its title; its command line contains the path of its
    socket instead, which is in the folder that the tag names.
    """
    try:
        found = f"{TAG}={tag}".encode() in _read(pid, "environ").split(b"\0")
        return found or f"{tag}/".encode() in _read(pid, "cmdline")
    except OSError:
        return False


def role_of(pid: int) -> str:
    """The role of a process; empty if it has ended."""
    try:
        role, parent = _by_command(pid), int(_fields(_read(pid, "stat"))[1])
        same = role in CHILDREN and _by_command(parent) == role
    except OSError:
        return ""
    return CHILDREN[role] if same else role


def _by_command(pid: int) -> str:
    command = _read(pid, "cmdline").decode(errors="replace")
    return next((role for part, role in ROLES if part in command), OTHER)


def _read(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def _fields(stat: bytes) -> list[bytes]:
    return stat.rpartition(b")")[2].split()


def _ticks(stat: bytes) -> int:
    fields = _fields(stat)
    return int(fields[_USER_FIELD]) + int(fields[_SYSTEM_FIELD])


def _bytes(status: bytes, name: bytes) -> int:
    """A line of /proc/PID/status in bytes; a process that has ended has none."""
    _, found, rest = status.partition(name)
    return int(rest.split(None, 1)[0]) << 10 if found else 0
