"""Bounds on the memory and the time of one batch, against faults of decoders."""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PAGE_BYTES = resource.getpagesize()
_DATA = 5  #: of /proc/self/statm: pages that are private and can be written to


@contextmanager
def memory_limit(limit_bytes: int) -> Iterator[None]:
    """Within, this process gets so much more memory and then MemoryError.

    What it has is left out of account: a runtime takes a hundred megabytes or some gigabytes. The
    kernel counts private memory that can be written to, not the address space that TensorFlow and
    threads reserve.
    """
    taken = _taken_bytes()
    if not taken or threading.current_thread() is not threading.main_thread():
        yield  # no Linux; or a thread pool, whose threads would share the limit
        return
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [taken + limit_bytes, *(one for one in (before, hard) if one >= 0)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


def _taken_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[_DATA]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End this process by SIGALRM if the block takes longer.

    A hung C decoder never returns to Python, so only the signal's default action, done by the
    kernel, ends it; the parent then reports the death like any other.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # a thread pool: a timer would end its neighbours too
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
