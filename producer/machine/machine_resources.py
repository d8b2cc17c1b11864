"""Cores and memory of this machine, within the limits of the container."""

from __future__ import annotations

import math
import os
from pathlib import Path

#: Memory of a worker process without a batch, and of its parent; a generous estimate.
PROCESS_BYTES = 200 << 20
_CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Cores that this process may use, at least 1: its affinity and its container's share."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota, _, period = _read(_CGROUP / "cpu.max").partition(" ")
    if not quota:  # the first version of control groups
        quota, period = (_read(_CGROUP / "cpu" / f"cpu.cfs_{n}_us") for n in ("quota", "period"))
    if quota.isdigit() and period.isdigit():
        count = min(count, math.ceil(int(quota) / int(period)))
    return max(1, count)


def children(batch_bytes: int) -> int:
    """Children of a worker: one per core, as far as the container's memory allows; at least 1.

    Each may take `batch_bytes` for its batch. If the container's memory is too small for all, the
    kernel may kill a child for the memory of another one, and a good image would be blamed.
    """
    count = cores()
    if limit := container_bytes():
        count = min(count, (limit - PROCESS_BYTES) // (batch_bytes + PROCESS_BYTES))
    return max(1, count)


def memory_notice(batch_mb: int, option: str) -> str:
    """The notice that memory limits the number of children; empty if it does not.

    `option` sets the number without this limit.
    """
    most, count = cores(), children(batch_mb << 20)
    if count == most:
        return ""
    return (
        f"worker processes: {count}, fewer than {most} cores: the container's memory limit allows "
        f"no more with HANGTAG_CHILD_MEMORY_MB={batch_mb}; raise that limit, lower this setting, "
        f"or use {option}"
    )


def memory_bytes() -> int:
    """Memory that this process may use: the machine's, or the container's limit."""
    machine_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(machine_bytes, container_bytes() or machine_bytes)


def container_bytes() -> int | None:
    """Memory limit of the container; None without a limit."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = _read(_CGROUP / name)
        if limit.isdigit():
            return int(limit)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
