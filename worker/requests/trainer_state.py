"""What the processes of a trainer share: both are created in the parent before it forks."""

from __future__ import annotations

import fcntl
import os
import select
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shared.messages.requests import Import, Work
from shared.messages.training import Train


class ShutdownNotice:
    """From a trainer's parent to its children: a byte in a pipe that all can poll. Signals are not
    reliable: Celery and billiard set, reset and ignore those of their children.

    The byte is never read, so every child sees it."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def send(self, **_: Any) -> None:
        """Send the notice. Safe in a signal handler."""
        os.write(self._writer, b".")

    def is_sent(self) -> bool:
        """Whether it was sent."""
        return bool(select.select([self._reader], [], [], 0.0)[0])

    def wait(self, seconds: float) -> None:
        """Sleep, until it is sent at the latest."""
        select.select([self._reader], [], [], seconds)


class LongWork:
    """One long request at a time in a trainer: two would share its cores, and need twice the
    memory. A trainer with two processes does short work beside it.

    The lock belongs to a process and ends with it.
    """

    def __init__(self) -> None:
        self._file, path = tempfile.mkstemp()
        os.unlink(path)

    @contextmanager
    def alone(self, work: Work) -> Iterator[bool]:
        """Whether this work may start. In the block no other process of this trainer starts long
        work beside it."""
        # They take minutes of all cores, and the memory of a training. CheckDataset takes less.
        if not isinstance(work, Train | Import):
            yield True
            return
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def may_start(self, work: Work) -> bool:
        """Whether this work could start now."""
        with self.alone(work) as is_free:
            return is_free
