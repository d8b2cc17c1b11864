"""The memory and the time of a worker process: limits for one batch, against bugs of decoders, and
when free memory is returned to the system."""

from __future__ import annotations

import ctypes
import gc
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

_PAGE_BYTES = resource.getpagesize()
_DATA = 5  #: field of /proc/self/statm: private writable pages
#: glibc's numbers of the two options.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
#: Free memory that a process keeps at most, and the largest block that is taken from it: a message,
#: its copies while it is received, and its pixels.
KEPT_BYTES, BLOCK_BYTES = 8 << 20, 4 << 20


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


def keep_memory() -> None:
    """Keep free memory for the next batch.

    Else each block of more than 128 KiB is new memory, whose pages the system clears when they are
    first used: 2.5 us each, 5 ms for a message of 2 MiB, a fourteenth of the time for its images.
    """
    if option := _function("mallopt"):
        option(_TRIM_THRESHOLD, KEPT_BYTES)
        option(_MMAP_THRESHOLD, BLOCK_BYTES)


def trim_memory() -> None:
    """Return free memory to the system. Takes milliseconds, so it is not done for every batch.

    Measured over 40 swaps: LiteRT and TensorFlow free the memory of a dropped version, but the C
    library does not return the pages. A child that loaded eleven versions in a row, two at a time,
    grew from 78 to 113 MB; with the pages returned at each swap it stayed at 79.
    """
    gc.collect()  # a Keras model is full of cycles
    if trim := _function("malloc_trim"):
        trim(0)


@cache
def _function(name: str) -> Any:
    """A function of glibc; None with another C library."""
    return getattr(ctypes.CDLL(None), name, None)
