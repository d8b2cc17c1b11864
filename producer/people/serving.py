"""Runs the server of a page until Ctrl-C."""

from __future__ import annotations

import getpass
import logging
import resource
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from producer.present.formatting import counted
from shared import installation
from shared.errors import SetupError, UsageError

if TYPE_CHECKING:
    from producer.people.guard import Connections, Guard
    from producer.people.queue import Queue

#: What the server needs: the extra `review`.
PACKAGES = {"starlette": "starlette", "uvicorn": "uvicorn"}
#: Open connections and files of the server, as far as the system allows.
MAX_FILES = 1 << 14
_SHUTDOWN_S = 3
#: Gets the link of a page, the number of its images, and lines on files and earlier decisions.
Ready = Callable[[str, int, list[str]], None]


def check_installed(what: str) -> None:
    """Raises SetupError if a package is missing; `what` cannot be served then."""
    if lack := installation.missing(PACKAGES, "review"):
        raise SetupError(f"{what} cannot be served: {lack}")


def serve(
    queue: Queue,
    port: int,
    on_ready: Callable[[str], None],
    open_browser: bool,
    view: str = "",
) -> None:
    """Serve the page of a queue until Ctrl-C. `port` 0: a free one. `on_ready` gets the link of
    the page, which ends with `view`. Raises UsageError: the port is taken."""
    from producer.people.guard import Connections, Guard
    from producer.people.web_app import make

    with listening(port) as listener:
        connections = Connections()
        guard = Guard(make(queue), listener.getsockname()[1], connections, queue.command)
        on_ready(f"{guard.link}{view}")
        if open_browser:
            # A browser in a terminal ends with it, and it must be served meanwhile.
            link = f"{guard.link_for_one_use()}{view}"
            threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()
        _run(guard, listener, connections)


def _run(guard: Guard, listener: socket.socket, connections: Connections) -> None:
    import uvicorn

    from producer.people.guard import watched

    # Thousands of connections may come at once: those beyond the limit are accepted and refused.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MAX_FILES)), hard))
    logging.getLogger("asyncio").addFilter(_is_no_full_queue)
    config = uvicorn.Config(
        guard,
        log_level=logging.ERROR,  # below it a line for each refused request
        access_log=False,
        http=watched(connections),
        ws="none",
        proxy_headers=False,  # connections are counted by their own addresses
        lifespan="off",
        timeout_graceful_shutdown=_SHUTDOWN_S,
        server_header=False,
    )
    with suppress(KeyboardInterrupt):  # the usual end; raised again by uvicorn
        uvicorn.Server(config).run([listener])


def _is_no_full_queue(record: logging.LogRecord) -> bool:
    """Whether a record is not one of the many that say that no file can be opened for a
    connection: it waits, and is accepted later."""
    return not record.getMessage().startswith("socket.accept() out of system resource")


def listening(port: int) -> socket.socket:
    """A socket of this machine; `port` 0: a free one. Raises UsageError: the port is taken."""
    from producer.people.guard import HOST

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()  # before the link is printed
    except OSError as error:
        listener.close()
        raise UsageError(
            f"port {port} cannot be used ({error.strerror}); choose another, or leave --port out"
        ) from error
    return listener


def unproven(path: Path, lines: int) -> list[str]:
    """What to say of lines of decisions that have no checksum."""
    return [f"{path}: {counted(lines, 'line')} of 0.2.0, unproven"] if lines else []


def user() -> str:
    """The name of this user, for decisions; empty if there is none, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
