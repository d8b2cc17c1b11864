"""The lock of a running stack in its store, which shows every stack of the store that it runs.

STORE/.requests/.stack-ID   held by the supervisor during its lifetime; contains where it runs

A lock on a file of the store holds between the machines that share it, and is freed with the
machine: a host name or a pid would say nothing elsewhere.
"""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from pathlib import Path

from producer.processes import lock
from shared.broker.runtime_paths import stack_dir, stack_id
from shared.ledger.request_store import FOLDER
from shared.settings import Settings

_ID = re.compile(r"[0-9a-f]+-[0-9a-f]+@[A-Za-z0-9._-]+")
#: Like the requests: for all who may use the store.
_MODE = 0o666


class StoreLock:
    """The lock of the stack that these settings select. Only its supervisor takes it."""

    def __init__(self, settings: Settings) -> None:
        self._store = settings.store_path
        self._lock = lock.Lock(_path(self._store, stack_id(settings)), _MODE)
        self._place = f"{stack_dir(settings)} on {socket.gethostname()}"
        self._held = False

    def hold(self) -> None:
        """Take the lock if it is not held: there was no store, or it was removed."""
        if self._held and not self._lock.lost:
            return
        self._lock.free()
        self._held = False
        with suppress(OSError):  # a store that cannot be written gets no requests
            if self._store.is_dir():
                self._lock.path.parent.mkdir(exist_ok=True)
                self._held = self._lock.take(0)
            if self._held:  # on a full disk it is held without its place
                self._lock.write(self._place.encode(errors="replace"))

    def end(self) -> None:
        """Remove the file and free the lock."""
        if self._held and not self._lock.lost:
            with suppress(OSError):
                self._lock.path.unlink()
        self._lock.free()


def place(store: Path, stack: str) -> str:
    """Where the stack with this id runs, for a message; empty if it does not run."""
    if not _ID.fullmatch(stack):
        return ""
    path = _path(store, stack)
    try:
        if lock.held(path):
            return path.read_text(encoding="utf-8", errors="replace") or "another folder"
    except OSError:
        pass  # it belongs to another user, or was removed just now
    return ""


def _path(store: Path, stack: str) -> Path:
    return store / FOLDER / f".stack-{stack}"
