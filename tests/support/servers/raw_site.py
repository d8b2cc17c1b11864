"""A server whose answers are any bytes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def raw_site(answer: bytes, drips: bool = False) -> Iterator[bytes]:
    """A server that answers each request with these bytes, and then with one now and then."""

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with suppress(OSError), connection:  # the client has gone
                    connection.recv(1 << 16)
                    connection.sendall(answer)
                    while drips:
                        time.sleep(0.05)
                        connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        try:
            yield b"http://localhost:%d/a.jpg" % listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
