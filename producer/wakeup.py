"""Signals as something that can be waited for, with a limit."""

from __future__ import annotations

import select
import signal
import socket

_SIZE_BYTES = 4096


class Wakeup:
    """From its making on, these signals end `wait` and do nothing else.

    Handlers are Python functions rather than SIG_IGN, which children would inherit.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._out, self._in = socket.socketpair()
        self._out.setblocking(False)
        self._in.setblocking(False)
        signal.set_wakeup_fd(self._in.fileno(), warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda *_: None)

    def wait(self, limit_s: float) -> set[signal.Signals]:
        """The signals that came, at once; or none, after `limit_s` seconds."""
        if not select.select([self._out], [], [], limit_s)[0]:
            return set()
        return {signal.Signals(number) for number in self._out.recv(_SIZE_BYTES)}
