"""Memory and time limits for one batch, against bugs of decoders."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PAGE_BYTES = resource.getpagesize()
_DATA = 5  #: field of /proc/self/statm: private writable pages


@contextmanager
def memory_limit(limit_bytes: int) -> Iterator[None]:
    """Raise MemoryError once this process allocates more than `limit_bytes` within the block.

    Memory allocated before does not count: a runtime takes a hundred megabytes or some gigabytes.
    The kernel counts private writable memory, not the address space that TensorFlow and threads
    reserve.
    """
    used = used_bytes()
    if not used:
        yield  # not Linux
        return
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [used + limit_bytes, *(limit for limit in (before, hard) if limit >= 0)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


def used_bytes() -> int:
    """Private writable memory of this process; 0 where that is unknown."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[_DATA]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End this process by SIGALRM if the block takes longer.

    A hung C decoder never returns to Python, so only the signal's default action, which the kernel
    performs, ends it; the parent then reports the death like any other.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
