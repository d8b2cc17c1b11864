"""One long request at a time in a trainer: others may run beside it, a second training may not.

A trainer with two processes describes data and evaluates versions while it trains. Two trainings
would share its cores and need twice the memory.
"""

from __future__ import annotations

import fcntl
import os
import tempfile

from shared.messages.requests import Import, Work
from shared.messages.training import Train

#: Work that takes minutes of all cores, and the memory of a training. CheckDataset takes less.
_LONG = (Train, Import)


def is_long(work: Work) -> bool:
    """Whether this work runs alone of its kind."""
    return isinstance(work, _LONG)


class LongWork:
    """Created in the parent before it forks. The lock belongs to a process and ends with it."""

    def __init__(self) -> None:
        self._fd, path = tempfile.mkstemp()
        os.unlink(path)

    def begin(self) -> bool:
        """Take the lock; False if another process has it."""
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def end(self) -> None:
        """Release the lock."""
        fcntl.lockf(self._fd, fcntl.LOCK_UN)

    @property
    def busy(self) -> bool:
        """Whether another process has the lock."""
        if not self.begin():
            return True
        self.end()
        return False
