"""Looks at every process of a run, 20 times a second: peak memory and processor time, by role."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from benchmarks.environment.paths import MARK

INTERVAL_S = 0.05
#: A process that was just forked still has its parent's environment and command line.
_LOOKS_UNTIL_KNOWN = 10
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_USER_FIELD, _SYSTEM_FIELD = 11, 12  # of /proc/PID/stat, counted after the command's bracket

#: What a process is, by what its command line holds; the first that fits.
ROLES = (
    ("valkey-server", "Redis server"),
    ("redis-server", "Redis server"),
    ("worker.app", "worker parent"),
    ("benchmarks.environment.sleeping_app", "worker parent"),
    ("benchmarks.contenders.traced_classify", "producer"),
    ("benchmarks.contenders.bare_loop", "bare loop, parent"),
    ("producer.stack.supervisor", "supervisor"),
    ("keras_dataset", "Keras"),
)
#: A process whose parent has the same role, and what it then is.
CHILDREN = {"worker parent": "worker child", "bare loop, parent": "bare loop, child"}
OTHER = "other"


class Watch(threading.Thread):
    """Use as a context manager; the figures are whole after it."""

    def __init__(self, mark: str) -> None:
        super().__init__(name="watch", daemon=True)
        self._mark = mark
        self._stopped = threading.Event()
        self._looks: dict[int, int] = defaultdict(int)
        self._roles: dict[int, str] = {}  # "" is somebody else's process
        self._cpu: dict[int, tuple[str, int, int]] = {}  # pid -> role, first and last ticks
        self.peaks: dict[str, int] = defaultdict(int)  #: bytes of the largest process of a role
        self.together = 0  #: bytes of all at one moment; shared pages count in each

    def __enter__(self) -> Watch:
        self._look(begun=True)
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
        self._look()

    def run(self) -> None:
        while not self._stopped.wait(INTERVAL_S):
            self._look()

    @property
    def cpu_s(self) -> dict[str, float]:
        """Processor time of each role, in seconds; the last moments of a process are missed."""
        sums: dict[str, float] = defaultdict(float)
        for role, first, last in self._cpu.values():
            sums[role] += (last - first) / _TICKS_PER_S
        return dict(sums)

    def _look(self, begun: bool = False) -> None:
        together = 0
        for pid in pids():
            if role := self._role(pid):
                together += self._note(pid, role, begun)
        self.together = max(self.together, together)

    def _note(self, pid: int, role: str, begun: bool) -> int:
        try:
            status, stat = _read(pid, "status"), _read(pid, "stat")
        except OSError:
            return 0
        ticks = _ticks(stat)
        _, first, _ = self._cpu.get(pid, ("", ticks if begun else 0, 0))
        self._cpu[pid] = role, first, ticks
        self.peaks[role] = max(self.peaks[role], _bytes(status, b"VmHWM:"))
        return _bytes(status, b"VmRSS:")

    def _role(self, pid: int) -> str:
        if self._looks[pid] < _LOOKS_UNTIL_KNOWN:
            self._looks[pid] += 1
            self._roles[pid] = role_of(pid) if is_marked(pid, self._mark) else ""
        return self._roles[pid]


def pids() -> Iterator[int]:
    """Every process of this machine."""
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def is_marked(pid: int, mark: str) -> bool:
    """Whether a process was started with this mark in its environment.

    The server writes its title over its environment; its command line names its socket instead,
    which lies in the folder that is the mark.
    """
    try:
        found = f"{MARK}={mark}".encode() in _read(pid, "environ").split(b"\0")
        return found or f"{mark}/".encode() in _read(pid, "cmdline")
    except OSError:
        return False


def role_of(pid: int) -> str:
    """What a process is; empty where it is gone."""
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
