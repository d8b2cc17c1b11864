"""Connections to Redis whose waits end when their work is to end: while they connect by TCP, during
the handshake of TLS, while they send, and while they read; not while a name is resolved."""

from __future__ import annotations

import socket
from typing import Any

import redis
from redis.connection import AbstractConnection, SSLConnection, UnixDomainSocketConnection

from shared.stop import Waits

#: The argument of these connections.
WAITS = "waits"


class _Stoppable(AbstractConnection):
    """What all kinds have in common."""

    def __init__(self, *args: Any, waits: Waits, **kwargs: Any) -> None:
        """Registers a duplicate of its socket with `waits`, which shuts it down when the work is
        to end; TLS replaces the socket object itself."""
        self._waits = waits
        self._duplicate: socket.socket | None = None
        super().__init__(*args, **kwargs)

    def _end_with_work(self, opened: socket.socket) -> None:
        self._forget()
        self._duplicate = opened.dup()
        self._waits.add(self._duplicate)

    def _forget(self) -> None:
        if self._duplicate is not None:
            self._waits.remove(self._duplicate)
            self._duplicate.close()
            self._duplicate = None

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        super().disconnect(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._forget()


class _Tcp(_Stoppable, redis.Connection):
    def _connect(self) -> socket.socket:
        """Like redis-py's, whose socket is out of reach until it is connected."""
        refused = OSError("the host has no address")
        places = socket.getaddrinfo(self.host, self.port, self.socket_type, socket.SOCK_STREAM)
        for family, kind, protocol, _, place in places:
            opened = socket.socket(family, kind, protocol)
            try:
                self._end_with_work(opened)
                self._connect_to(opened, place)
                return opened
            except OSError as error:
                refused = error
                opened.close()
            except BaseException:
                opened.close()
                raise
        raise refused

    def _connect_to(self, opened: socket.socket, place: Any) -> None:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.socket_keepalive:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in self.socket_keepalive_options.items():
                opened.setsockopt(socket.IPPROTO_TCP, option, value)
        opened.settimeout(self.socket_connect_timeout)
        opened.connect(place)
        opened.settimeout(self.socket_timeout)


class _Tls(SSLConnection, _Tcp):
    pass


class _Unix(_Stoppable, UnixDomainSocketConnection):
    def _connect(self) -> socket.socket:
        opened: socket.socket = super()._connect()  # type: ignore[no-untyped-call]
        try:
            self._end_with_work(opened)
        except BaseException:
            opened.close()
            raise
        return opened


_KINDS = ((SSLConnection, _Tls), (redis.Connection, _Tcp), (UnixDomainSocketConnection, _Unix))


def stoppable(kind: type) -> type:
    """The class of such connections that is used instead of one of redis-py's, or of kombu's, which
    are derived from these."""
    own = next(own for theirs, own in _KINDS if issubclass(kind, theirs))
    return type(kind.__name__, (own, kind), {})
