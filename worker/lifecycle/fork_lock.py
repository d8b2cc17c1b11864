"""Delays forks while a thread of the parent is busy.

fork() copies locks in their current state. A child forked while another thread holds an import lock
deadlocks on its first import, and still looks alive to the parent.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Longer than any thread waits. After it, a child that may hang is better than no child.
FORK_TIMEOUT_S = 20.0


class ForkLock:
    """Any number of threads may delay a fork at the same time; it waits for all of them."""

    def __init__(self) -> None:
        self._idle = threading.Condition()
        self._busy_threads = 0

    @contextmanager
    def delay_forks(self) -> Iterator[None]:
        """The process does not fork within the block."""
        with self._idle:
            self._busy_threads += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy_threads -= 1
                self._idle.notify_all()

    def close(self) -> None:
        """Wait for the busy threads, and block new ones until `open`."""
        self._idle.acquire()
        self._idle.wait_for(lambda: not self._busy_threads, FORK_TIMEOUT_S)

    def open(self) -> None:
        """After the fork, in the parent."""
        self._idle.release()

    def reset(self) -> None:
        """After the fork, in the child, which has none of the other threads."""
        self.__init__()  # type: ignore[misc]


fork_lock = ForkLock()
os.register_at_fork(
    before=fork_lock.close, after_in_parent=fork_lock.open, after_in_child=fork_lock.reset
)
