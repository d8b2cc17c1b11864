"""The state of processes, read from /proc."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_POLL_S = 0.005
_END_S = 30.0
STOPPED = "T"
_GONE = ("", "Z", "X")


def state(pid: int) -> str:
    """The state letter, as in `ps`; empty if there is no such process."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[0]


def is_alive(pid: int) -> bool:
    """Whether it runs, sleeps or is stopped; a zombie is not alive."""
    return state(pid) not in _GONE


def ignores(pid: int, number: signal.Signals) -> bool:
    """Whether it ignores a signal."""
    status = (_PROC / str(pid) / "status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def children(pid: int) -> list[int]:
    """Its living children."""
    try:
        text = (_PROC / str(pid) / "task" / str(pid) / "children").read_text()
    except OSError:
        return []
    return [child for child in map(int, text.split()) if is_alive(child)]


def with_variable(name: str, value: str) -> list[int]:
    """Every living process that was started with this environment variable."""
    wanted = f"\0{name}={value}\0".encode()
    found = []
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or belongs to another user
            if wanted in b"\0" + (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return [pid for pid in found if is_alive(pid)]


def stop(pid: int) -> None:
    """Send SIGSTOP and wait until the process is stopped."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + _END_S
    while (now := state(pid)) not in (STOPPED, *_GONE):
        assert time.monotonic() < deadline, f"{pid} is not stopped but {now}"
        time.sleep(_POLL_S)


def go_on(pid: int) -> None:
    """Send SIGCONT."""
    os.kill(pid, signal.SIGCONT)


def kill(pid: int) -> None:
    """Send SIGKILL to a process that may have ended already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_for_end(pids: list[int]) -> None:
    """Wait until all of them have ended."""
    deadline = time.monotonic() + _END_S
    while left := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < deadline, f"these processes are still alive: {left}"
        time.sleep(_POLL_S)
