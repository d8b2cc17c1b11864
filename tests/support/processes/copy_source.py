"""A process that is copied (forked) for each message at a socket; process_source.py and
tests/support/nodes/ say what for."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from typing import NamedTuple

_MESSAGE_BYTES = 1 << 18


class _Copy(NamedTuple):
    pid: int
    report: int  #: file descriptor that gets the status when the copy ends
    client: int  #: that of the connection which has asked for it


class CopySource:
    """Starts copies until `end` is readable. Clients connect to the socket `listener`; a message
    has `fds` file descriptors, the last of which is where the end of its copy is reported. With
    `leads` the end of a client kills its copies."""

    def __init__(self, listener: socket.socket, end: int, fds: int, leads: bool = False) -> None:
        self._listener, self._end, self._fds, self._leads = listener, end, fds, leads
        self._clients = dict[int, socket.socket]()
        self._running = dict[int, _Copy]()  # by the file descriptor of the process

    def next_copy(self) -> tuple[bytes, list[int]] | None:
        """In a copy, its message and the other file descriptors. In this process None, at the
        end."""
        while True:
            watched = [self._end, self._listener.fileno(), *self._clients, *self._running]
            for fd in select.select(watched, [], [])[0]:
                if fd == self._end:
                    return None
                if fd == self._listener.fileno():
                    client, _ = self._listener.accept()
                    self._clients[client.fileno()] = client
                elif fd in self._running:
                    self._report_end(fd)
                elif copied := self._copied(self._clients[fd]):
                    return copied

    def _copied(self, client: socket.socket) -> tuple[bytes, list[int]] | None:
        try:
            message, fds, *_ = socket.recv_fds(client, _MESSAGE_BYTES, self._fds)
        except ConnectionResetError:  # the client has ended, and has not read the ids
            message, fds = b"", []
        if not message:
            self._forget(client)
            return None
        *streams, report = fds
        pid = os.fork()
        if not pid:
            os.close(report)
            self._close()
            return message, streams
        for stream in streams:
            os.close(stream)
        self._running[os.pidfd_open(pid)] = _Copy(pid, report, client.fileno())
        with contextlib.suppress(BrokenPipeError):  # the client has ended
            client.send(str(pid).encode())
        return None

    def _forget(self, client: socket.socket) -> None:
        del self._clients[client.fileno()]
        for copy in self._running.values():
            if self._leads and copy.client == client.fileno():
                os.kill(copy.pid, signal.SIGKILL)
        client.close()

    def _report_end(self, process: int) -> None:
        copy = self._running.pop(process)
        os.close(process)
        status = os.waitpid(copy.pid, 0)[1]
        with contextlib.suppress(BrokenPipeError):  # the client has forgotten it
            os.write(copy.report, str(status).encode())
        os.close(copy.report)

    def _close(self) -> None:
        """Leave all to the source."""
        for process, copy in self._running.items():
            os.close(process)
            os.close(copy.report)
        for client in self._clients.values():
            client.close()
        self._listener.close()
        os.close(self._end)
