"""Serves the page of one table until Ctrl-C."""

from __future__ import annotations

import getpass
import logging
import resource
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import closing, suppress
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from producer.locations import row_files
from producer.pages.thumbnails import Thumbnails
from producer.present.meter import Stages
from producer.present.progress import make_progress
from producer.review.answer_arrays import Answers
from producer.review.decisions import Decisions
from producer.review.views import ViewKind
from shared import installation
from shared.errors import SetupError, UsageError
from shared.messages.files import printable

if TYPE_CHECKING:
    from producer.review.connections import Connections
    from producer.review.guard import Guard

#: What the server needs: the extra `review`.
PACKAGES = {"starlette": "starlette", "uvicorn": "uvicorn"}
#: Open connections and files of the server, as far as the system allows.
MAX_FILES = 1 << 14
_SHUTDOWN_S = 3
_ASSETS = resources.files("producer.review") / "assets"
_MEDIA_TYPES = {
    "review.css": "text/css",
    "review.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


def serve(
    output: Path,
    *,
    port: int = 0,
    kind: ViewKind = ViewKind.DOUBTFUL,
    label: str = "",
    folder: str = "",
    open_browser: bool = False,
    on_ready: Callable[[str, int, int], None],
) -> None:
    """Serve the review of a table. `port` 0: a free one. `on_ready` gets the link of the
    page, the number of its rows, and that of earlier decisions whose files cannot be compared.

    Raises:
        UsageError: there is nothing to review, or the port is taken.
        SetupError: a package is missing, or the journal cannot be read.
    """
    if lack := installation.missing(PACKAGES, "review"):
        raise SetupError(f"the review page cannot be served: {lack}")
    from producer.review.connections import Connections
    from producer.review.desk import Asset, Desk
    from producer.review.guard import Guard
    from producer.review.web_app import make

    answers = _read_answers(output)
    if label and label not in answers.card.labels:
        raise UsageError(
            f"{answers.card.ref} has no label {label!r:.80}; it has: "
            f"{', '.join(answers.card.labels)}"
        )
    folders = sorted(map(printable, answers.folder_names))
    if folder and folder not in folders:
        names = f"it has: {', '.join(folders)}" if folders else "its images are in no class folders"
        raise UsageError(f"{output.name} has no folder {folder!r:.80}; {names}")
    with row_files.of_table(output, answers.options) as files:
        decisions = Decisions(answers, output, _user(), files)
        unproven = _prove(decisions, len(answers))
        assets = {name: Asset(_read(name), media_type) for name, media_type in _MEDIA_TYPES.items()}
        with _listening(port) as listener, Thumbnails() as thumbnails:
            desk = Desk(output, answers, decisions, thumbnails, _read("review.html"), assets)
            connections = Connections()
            guard = Guard(make(desk), listener.getsockname()[1], connections)
            wanted = {"kind": str(kind), "label": label, "folder": folder}
            rows = urlencode({k: v for k, v in wanted.items() if v})
            on_ready(f"{guard.link}#{rows}", len(answers), unproven)
            if open_browser:
                link = f"{guard.link_for_one_use()}#{rows}"
                # A browser in a terminal ends with its page, which must be served meanwhile.
                threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()
            _run(guard, listener, connections)


def _read_answers(output: Path) -> Answers:
    progress = Stages(make_progress())
    progress.stage("reading rows", 0)
    try:
        return Answers(output, progress.reached)
    finally:
        progress.close()


def _prove(decisions: Decisions, rows: int) -> int:
    with closing(Stages(make_progress())) as progress:
        progress.stage("comparing corrected files", rows)
        return decisions.prove(progress.passed)


def _run(guard: Guard, listener: socket.socket, connections: Connections) -> None:
    """Serve until Ctrl-C."""
    import uvicorn

    from producer.review.connections import watched

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


def _listening(port: int) -> socket.socket:
    from producer.review.guard import HOST

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


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        return ""


def _read(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
