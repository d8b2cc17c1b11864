"""No child is forked while a thread of the parent is in the middle of something.

A child is a copy of its parent at one moment, with every lock that was held then and nobody in it
to let go: one that is forked while a thread imports a module waits for that module for ever, and
is no help and no burden to anybody who looks for dead children.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Longer than anything a thread waits for. Then a child that may hang is better than none.
PATIENCE_S = 20.0


class ForkLock:
    """Any number of threads may be at work at the same time; a fork waits for all of them."""

    def __init__(self) -> None:
        self._calm = threading.Condition()
        self._at_work = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """What a thread does in the block is done before the next fork, or after it."""
        with self._calm:
            self._at_work += 1
        try:
            yield
        finally:
            with self._calm:
                self._at_work -= 1
                self._calm.notify_all()

    def close(self) -> None:
        """Let nobody begin, once those at work have ended."""
        self._calm.acquire()
        self._calm.wait_for(lambda: not self._at_work, PATIENCE_S)

    def open(self) -> None:
        """After the fork, in the parent."""
        self._calm.release()

    def renew(self) -> None:
        """After the fork, in the child, where those threads are not."""
        self.__init__()  # type: ignore[misc]


gate = ForkLock()
os.register_at_fork(before=gate.close, after_in_parent=gate.open, after_in_child=gate.renew)
