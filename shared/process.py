"""This process, and the identity of any: its pid and its start time, since pids are reused."""

from __future__ import annotations

import atexit
import functools
import gc
import hashlib
import os
import socket
from pathlib import Path

MACHINE_ID = Path("/etc/machine-id")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_START_FIELD = 19  # of /proc/PID/stat, counted after the command's closing bracket
#: New objects between two searches. Python's 700 cost a short command an eighth of its time, and an
#: import of TensorFlow, which makes 300,000 objects, a twentieth.
SELDOM = 50_000


def started(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 if unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(stat.rpartition(")")[2].split()[_START_FIELD])
    except (OSError, ValueError, IndexError):
        return 0


def parent_id() -> str:
    """The id of this process as a worker parent: host:pid:started."""
    return f"{socket.gethostname()}:{os.getpid()}:{started(os.getpid())}"


def child_id(pid: int) -> str:
    """The id of a process on its host, such as a worker child: pid:started."""
    return f"{pid}:{started(pid)}"


def resident_bytes(pid: int) -> int:
    """The resident memory of a process; 0 if unknown."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0


@functools.cache
def machine_id() -> str:
    """What identifies this machine, also under another name; empty if nothing does, as in most
    containers. Derived from /etc/machine-id, which is not to be shown to others (machine-id(5))."""
    try:
        text = MACHINE_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
    if len(text) != 32:
        return ""
    return hashlib.sha256(f"hangtag {text}".encode()).hexdigest()[:16]


def search_seldom() -> None:
    """For a process that mostly imports, and makes tens of thousands of objects that stay."""
    gc.set_threshold(SELDOM)


def skip_last_search() -> None:
    """At its end Python searches everything once more: a fifth of the time of a short process."""
    atexit.register(gc.freeze)
