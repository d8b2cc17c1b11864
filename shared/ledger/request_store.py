"""Requests as the store keeps them: what is asked of its owner outlives Redis.

STORE/.requests/ID/request.json   written by the rounds of a trainer that see it wait, or when one
                                  claims it; on this machine's stack already when it is made
STORE/.requests/ID/here           it was made on this machine, not at a broker; names the
                                  installation whose stack has it. Two stacks that took each other's
                                  requests would never come to an end
STORE/.requests/ID/input          what travelled beside it
STORE/.requests/ID/outcome.json   arrives last, and answers it
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from shared import atomic_file, file_lock
from shared.errors import MISFITS, BadMessage, Unavailable
from shared.failpoints import failpoint
from shared.messages.requests import REQUEST_ID, Outcome, Request, decode_request, encode_request

FOLDER = ".requests"
REQUEST_FILE = "request.json"
INPUT_FILE = "input"
HERE_FILE = "here"
OUTCOME_FILE = "outcome.json"
#: Renaming a file takes far less: a process that has the lock for longer sleeps.
LOCK_WAIT_S = 5.0
_LOCK_PAUSE_S = 0.02
_LOCK_FILE = ".lock"


def folder(store: Path, request_id: str) -> Path:
    """Where a request of this store is kept; not created here.

    Raises:
        BadMessage: the id cannot be one, a path say.
    """
    if not REQUEST_ID.fullmatch(request_id):
        raise BadMessage(f"{request_id!r:.80} is not the id of a request")
    return store / FOLDER / request_id


def keep(store: Path, request: Request, input: bytes | None = None, installation: str = "") -> None:
    """Keep a request that is made on the machine of the store; one that is there stays.

    `installation` names the stack that has it; with an empty name the next stack adopts it.

    Raises:
        SetupError: the store cannot be written.
    """
    path = folder(store, request.id)
    with atomic_file.writing(path, "set HANGTAG_STORE to a folder"):
        atomic_file.make_folder(path)
        if load(store, request.id) is None:
            replace(path / HERE_FILE, installation.encode())
            failpoint("kept.begun")
            if input is not None:
                replace(path / INPUT_FILE, input)
            replace(path / REQUEST_FILE, encode_request(request))


def forget(store: Path, request_id: str) -> None:
    """Keep nothing of a request that nobody works on."""
    shutil.rmtree(folder(store, request_id), ignore_errors=True)
    failpoint("kept.forgotten")


def load(store: Path, request_id: str) -> Request | None:
    """The request that is kept under this id; None if none is, or it cannot be read."""
    try:
        return decode_request((folder(store, request_id) / REQUEST_FILE).read_bytes())
    except (OSError, BadMessage):
        return None


def outcome(store: Path, request_id: str) -> Outcome | None:
    """How it ended; None if it has not, or that cannot be read."""
    try:
        data = (folder(store, request_id) / OUTCOME_FILE).read_bytes()
        return msgspec.json.decode(data, type=Outcome)
    except (OSError, BadMessage, *MISFITS):
        return None


def is_here(store: Path, request_id: str) -> bool:
    """Whether a request was made on this machine's stack."""
    return (folder(store, request_id) / HERE_FILE).exists()


def owner(store: Path, request_id: str) -> str | None:
    """The installation whose stack has a request; None if it was not made on this machine."""
    try:
        return (folder(store, request_id) / HERE_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return ""


def adopt(store: Path, request_id: str, before: str, after: str) -> bool:
    """Make another installation the owner; False if `before` is not the owner any more.

    Raises:
        Unavailable: a process that sleeps holds the lock.
        SetupError: the store cannot be written.
    """
    path = folder(store, request_id)
    with atomic_file.writing(path, "set HANGTAG_STORE to a folder"), locked(store):
        if owner(store, request_id) != before:
            return False
        replace(path / HERE_FILE, after.encode())
    return True


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Exclude all other processes that enter, answer or adopt a request of this store: be brief.

    Raises:
        Unavailable: a process that sleeps holds the lock.
    """
    with open(store / FOLDER / _LOCK_FILE, "ab") as file:
        if not file_lock.acquire_within(file.fileno(), LOCK_WAIT_S, _LOCK_PAUSE_S):
            raise Unavailable(f"{file.name} is held by a process that sleeps; wake it")
        yield


def unanswered(store: Path, here: bool | None = None) -> list[Request]:
    """Every request that is kept and has no outcome, oldest first.

    `here`: only those of this machine's stack, or only the others.
    """
    found = (r for r in _unanswered(store) if here in (None, is_here(store, r.id)))
    return sorted(found, key=lambda request: (request.created, request.id))


def replace(path: Path, data: bytes) -> None:
    """Write a file as a whole, durably."""
    atomic_file.place(write_part(path, data), path)
    failpoint("kept.replaced")


def write_part(path: Path, data: bytes) -> Path:
    """What is to replace `path`, durably written beside it; nothing of it stays after an error."""
    # Trainers of several machines may share a store, and their processes have the same numbers.
    part = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    with atomic_file.created(part) as file:
        file.write(data)
    failpoint("kept.part-written")
    return part


def _unanswered(store: Path) -> Iterator[Request]:
    for path in (store / FOLDER).glob(f"*/{REQUEST_FILE}"):
        if not path.with_name(OUTCOME_FILE).exists():
            request = load(store, path.parent.name)
            if request is not None and request.id == path.parent.name:
                yield request
