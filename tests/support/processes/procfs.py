"""What the system knows of processes, read from /proc."""

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
    """One letter, as `ps` shows it; empty if there is no such process."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[0]


def is_alive(pid: int) -> bool:
    """Whether it runs, sleeps or is stopped; one that only waits to be buried does not."""
    return state(pid) not in _GONE


def children(pid: int) -> list[int]:
    """The living processes that it has started."""
    try:
        text = (_PROC / str(pid) / "task" / str(pid) / "children").read_text()
    except OSError:
        return []
    return [child for child in map(int, text.split()) if is_alive(child)]


def with_variable(name: str, value: str) -> list[int]:
    """Every living process that was started with this in its environment."""
    wanted = f"\0{name}={value}\0".encode()
    found = []
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):  # it ended, or is someone else's
            if wanted in b"\0" + (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return [pid for pid in found if is_alive(pid)]


def stop(pid: int) -> None:
    """SIGSTOP, in force when this returns."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + _END_S
    while (now := state(pid)) not in (STOPPED, *_GONE):
        assert time.monotonic() < deadline, f"{pid} is not stopped but {now}"
        time.sleep(_POLL_S)


def go_on(pid: int) -> None:
    """SIGCONT."""
    os.kill(pid, signal.SIGCONT)


def kill(pid: int) -> None:
    """SIGKILL, for a process that may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_for_end(pids: list[int]) -> None:
    """Wait until none of them is left."""
    deadline = time.monotonic() + _END_S
    while left := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < deadline, f"these processes live on: {left}"
        time.sleep(_POLL_S)
